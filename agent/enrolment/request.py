"""What the node sends to be enrolled or renewed: a compact JWS by its own key."""

from __future__ import annotations

from agent import __version__
from agent.contract.enrolment import RENEWAL_TYP, REQUEST_TYP, EnrolRequest, RenewRequest
from agent.contract.wire import encode
from agent.enrolment.certificate import read_certificate
from agent.enrolment.csr import make_csr
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import load_key
from agent.enrolment.orders import order_jws
from agent.errors import EnrolmentError, SignatureError
from agent.health.probes import hardware_model
from agent.signing import sign_compact

# HttpsUrl's path of each request, below the order's `enrol_url`.
ENROL_PATH = "/v1/enrol"
RENEW_PATH = "/v1/renew"
# contract.enrolment.Text.
_TEXT_CHARS = 200


def make_request(home: NodeHome, order_text: str, now_s: int) -> str:
    """The request to POST to ENROL_PATH, or to carry to the office as a file. The same key and order may be sent again:
    the answer is the same. Raises EnrolmentError, ClaimRefused `malformed`."""
    key = load_key(home)
    request = EnrolRequest(
        v=1,
        node=key.node,
        order=order_jws(order_text),
        csr=make_csr(key.private, key.node),
        iat=now_s,
        software=__version__,
        hardware=(hardware_model() or "")[:_TEXT_CHARS],
    )
    return sign_compact(encode(request), key.private, typ=REQUEST_TYP)


def make_renewal(home: NodeHome, now_s: int) -> str:
    """The request to POST to RENEW_PATH, for the same key. Raises EnrolmentError `no_certificate` before enrolment."""
    key = load_key(home)
    pem = home.read(home.certificate)
    if pem is None:
        raise EnrolmentError(reason="no_certificate", remedy="enrol this node first")
    try:
        serial = read_certificate(pem).serial
    except SignatureError as exc:
        raise EnrolmentError(reason="damaged", file=str(home.certificate), remedy="enrol this node again") from exc
    request = RenewRequest(v=1, node=key.node, serial=serial, csr=make_csr(key.private, key.node), iat=now_s)
    return sign_compact(encode(request), key.private, typ=RENEWAL_TYP)
