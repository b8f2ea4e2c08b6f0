"""What passes between an office, a node and its centre before the node may speak MQTT. Pure.

Each document is a compact JWS (ES256; agent.signing) whose `typ` is one of the words below, so that none can be taken
for another. Sizes are bounded, because orders travel as QR and files travel on phones.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from agent.contract.wire import Count, Down, Identifier, Sha256, Up, Uuid7

ORDER_TYP: Final = "wayside-order"
GRANT_TYP: Final = "wayside-grant"
REQUEST_TYP: Final = "wayside-enrol"
RENEWAL_TYP: Final = "wayside-renew"
ACCEPTANCE_TYP: Final = "wayside-acceptance"
# What stands before an order's compact JWS in a QR and in the file a technician carries.
ORDER_PREFIX: Final = "WO1|"
# Before `node_id|spki_sha256` on the node's label.
LABEL_PREFIX: Final = "WS1|"
# Provisioning, flow 1: a claim lives this long.
CLAIM_LIFE_S: Final = 72 * 3600
# Provisioning, flow 4: a certificate lives this long and is renewed at two thirds.
CERTIFICATE_LIFE_S: Final = 90 * 86_400

# Whose commands they are that bear the office's own command key.
OFFICE_ACTOR: Final = "office"
OFFICE_ROLE: Final = "operator"

Pem = Annotated[str, msgspec.Meta(min_length=1, max_length=16_384)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
HttpsUrl = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s|]+$", max_length=500)]
# 32 random bytes, base64url.
Claim = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]


class OfficeKey(Down, frozen=True, kw_only=True):
    """A public key that signs for the office. `kid` is its RFC 7638 thumbprint; `pem` its SubjectPublicKeyInfo.
    Keys of use "command" sign commands: `actor` and `role` say whose; where they are empty, the office's own."""

    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    pem: Pem
    use: Literal["office", "command"]
    actor: Annotated[str, msgspec.Meta(max_length=100)] = ""
    role: Annotated[str, msgspec.Meta(max_length=40)] = ""


class Anchors(Down, frozen=True, kw_only=True):
    """What a node must know before it can believe anybody; no secret. It comes on the boot partition of the image.

    `ca` issues this organisation's node certificates, `centre_ca` (one or more) the certificates of the centre's HTTPS
    server and broker. Keys of use "office" sign orders and grants.
    """

    v: Literal[1]
    org: Identifier
    ca: Pem
    centre_ca: Pem
    keys: Annotated[tuple[OfficeKey, ...], msgspec.Meta(min_length=1, max_length=16)]


class OrderedCamera(Down, frozen=True, kw_only=True):
    """A camera that the site's register foresees; its address and password are found and typed on site."""

    id: Identifier
    name: Text = ""
    purpose: Text = ""


class WorkOrder(Down, frozen=True, kw_only=True):
    """One job at one site. `node` and `spki_sha256` name the expected key, or are null and the enrolment waits for the
    office's approval. `replaces`: the dead node whose place is taken. `grant`: a compact JWS made in advance for the
    named key, so that the node can be enrolled without any line."""

    v: Literal[1]
    order: Uuid7
    org: Identifier
    site: Identifier
    site_name: Text = ""
    district: Text = ""
    claim: Claim
    iat: int
    exp: int
    enrol_url: HttpsUrl
    timezone: str = "Asia/Bangkok"
    cameras: Annotated[tuple[OrderedCamera, ...], msgspec.Meta(max_length=16)] = ()
    node: Identifier | None = None
    spki_sha256: Sha256 | None = None
    replaces: Identifier | None = None
    grant: Annotated[str, msgspec.Meta(max_length=32_768)] | None = None


class EnrolRequest(Up, frozen=True, kw_only=True):
    """POST {enrol_url}/v1/enrol, as a compact JWS by the node's own key (typ REQUEST_TYP, kid the key's thumbprint),
    or the same text carried as a file. `csr` is PEM, CN = node; `order` is the work order's compact JWS."""

    v: Literal[1]
    node: Identifier
    order: Annotated[str, msgspec.Meta(max_length=65_536)]
    csr: Pem
    iat: int
    software: Text = ""
    hardware: Text = ""


class RenewRequest(Up, frozen=True, kw_only=True):
    """POST {enrol_url}/v1/renew, as a compact JWS by the key of the certificate in force (typ RENEWAL_TYP). It is
    believed by the certificate on record, so an expired one can still renew and nothing else."""

    v: Literal[1]
    node: Identifier
    serial: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{1,40}$")]
    csr: Pem
    iat: int


class Grant(Down, frozen=True, kw_only=True):
    """A node's papers, as a compact JWS by an office key (typ GRANT_TYP). `certificate` is the leaf; `config` has the
    structure of agent.config.Config as JSON, without secrets and without paths of the node's own; `iat` is also a floor
    of the node's clock. `revision` never falls."""

    v: Literal[1]
    order: Uuid7
    org: Identifier
    site: Identifier
    node: Identifier
    certificate: Pem
    anchors: Anchors
    config: msgspec.Raw
    revision: Count
    iat: int
    enrol_url: HttpsUrl
    replaces: Identifier | None = None


class EnrolAnswer(Down, frozen=True, kw_only=True):
    """The centre's answer to an enrolment or a renewal. `granted` has the grant; `waiting` asks for the same request
    again after `retry_s`; `refused` has a machine word in `reason`."""

    v: Literal[1]
    state: Literal["granted", "waiting", "refused"]
    grant: Annotated[str, msgspec.Meta(max_length=32_768)] | None = None
    reason: Text = ""
    message: Text = ""
    retry_s: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 0


class Label(Up, frozen=True, kw_only=True):
    """What first boot hands to the bench to be printed, once. `pin` is on the part that the technician tears off."""

    v: Literal[1]
    node: Identifier
    spki_sha256: Sha256
    words: Annotated[tuple[str, ...], msgspec.Meta(min_length=6, max_length=6)]
    pin: Annotated[str, msgspec.Meta(pattern=r"^\d{8}$")]
