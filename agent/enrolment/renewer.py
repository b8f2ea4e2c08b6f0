"""The node renews its own certificate: when it is due, by itself, until the centre has answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent import log
from agent.clock import Clock
from agent.config import Config
from agent.enrolment.centre import post
from agent.enrolment.certificate import CertificateFacts, read_certificate
from agent.enrolment.home import NodeHome
from agent.enrolment.papers import complete, install_grant
from agent.enrolment.renewal import chance_of, renewal_due_s
from agent.enrolment.request import RENEW_PATH, make_renewal
from agent.errors import ClaimRefused, EnrolmentError, SignatureError
from agent.stage import Backoff
from agent.units import NS_PER_S, format_rfc3339

# How often a certificate that is not due is looked at: the page or a clock that stepped may have changed the answer.
_LOOK_S: Final = 60.0
# One that is refused or not answered is asked for again after a minute, then less and less: of 30 days that are left
# when it is due, six hours are little, and a centre that is down hears 378 nodes a few times an hour at most.
RENEWAL_BACKOFF: Final = Backoff(initial_s=60.0, max_s=6 * 3600.0)
# A stop waits for the request in progress.
_REQUEST_S: Final = 10.0

_log = log.get("renewal")


def home_of(config: Config) -> NodeHome | None:
    """The home whose papers this configuration uses; None for a node on a desk that was never enrolled."""
    if config.broker is None or not config.broker.certificate:
        return None
    home = NodeHome(Path(config.broker.certificate).parent)
    return home if home.enrolment.exists() else None


class Renewer:
    """Body of the stage "renewal". `on_renewed` is called on its thread when the new certificate lies in the home."""

    def __init__(
        self,
        home: NodeHome,
        clock: Clock,
        stop: threading.Event,
        on_renewed: Callable[[], None],
        *,
        look_s: float = _LOOK_S,
    ) -> None:
        self._home = home
        self._clock = clock
        self._stop = stop
        self._on_renewed = on_renewed
        self._look_s = look_s
        self._renewing = threading.Lock()

    def run_once(self) -> None:
        """One look. Raises EnrolmentError when it is due and was not renewed; expired or not, it is tried again."""
        complete(self._home)
        facts = self._certificate()
        if facts is None or self._now_s() < renewal_due_s(
            facts.not_before_s, facts.not_after_s, chance_of(facts.spki_sha256)
        ):
            self._stop.wait(self._look_s)
            return
        retry_s = self._renew(facts)
        self._stop.wait(retry_s)

    def renew_now(self) -> float:
        """Due or not; on any thread. How long to wait before asking again; 0: the new certificate is in the home.

        Raises EnrolmentError when it was not renewed.
        """
        facts = self._certificate()
        if facts is None:
            raise EnrolmentError(reason="not_enrolled", remedy="enrol this node with a work order")
        return self._renew(facts)

    def certificate(self) -> CertificateFacts | None:
        """The one in the home. Raises EnrolmentError for a damaged one."""
        return self._certificate()

    def _renew(self, old: CertificateFacts) -> float:
        """How long to wait before the next look. One at a time: the stage and a command may both ask."""
        with self._renewing:
            return self._renew_alone(old)

    def _renew_alone(self, old: CertificateFacts) -> float:
        now_s = self._now_s()
        record, anchors = self._home.load_enrolment(), self._home.load_anchors()
        request = make_renewal(self._home, now_s)
        answer = post(record.enrol_url, RENEW_PATH, request, anchors.centre_ca, limit_s=_REQUEST_S)
        if answer.state == "waiting":
            _log.info("renewal waits for the office", retry_s=answer.retry_s)
            return max(answer.retry_s, self._look_s)
        if answer.state == "refused" or answer.grant is None:
            raise ClaimRefused(
                reason=answer.reason or "refused", remedy="ask the office why it does not renew this node"
            )
        install_grant(self._home, answer.grant, now_s)
        new = self._certificate()
        if new is None or new.serial == old.serial:
            raise EnrolmentError(reason="not_renewed", remedy="the centre granted the certificate that is in force")
        until = format_rfc3339(new.not_after_s * NS_PER_S)
        _log.info("certificate renewed", serial=new.serial, until=until)
        self._on_renewed()
        return 0.0

    def _certificate(self) -> CertificateFacts | None:
        pem = self._home.read(self._home.certificate)
        if pem is None:
            return None
        try:
            return read_certificate(pem)
        except SignatureError as exc:
            remedy = "enrol this node again with a new work order"
            raise EnrolmentError(reason="damaged", file=str(self._home.certificate), remedy=remedy) from exc

    def _now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S
