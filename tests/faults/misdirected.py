"""Rows of the attack table beside commands made by strangers: genuine orders that lead elsewhere, and other topics."""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from agent.contract.states import Ack, Desired, Reported
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode, encode
from agent.identity import new_uuid7
from agent.messaging.outbox import status
from agent.signing import key_to_pem, make_key
from agent.store import open_store
from provisioning.broker.acl import Member, Role
from tests.broker import LOOPBACK, wait_until
from tests.broker_kit import kit
from tests.broker_kit.kit import Caller, ShippedBroker
from tests.commands.attacks import MALI, SOMCHAI, STRANGER, Person, Toll, forge
from tests.enrolment.papers import Authority, pem_of
from tests.faults.attacker import Attacker, Row, Witness, command, signed, span
from tests.faults.ear import ADDRESS
from tests.faults.rig import AgentUnderTest

_HOST = "localhost"


@dataclass(slots=True)
class Decoy:
    """An HTTPS server that answers every request with `location`, or 500; `asked` counts them. Its authority is in
    the file `ca`."""

    ca: Path
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{_HOST}:{self.port}/clip/x"


@contextmanager
def decoys(folder: Path) -> Iterator[tuple[Decoy, Decoy]]:
    """One that points at the other."""
    authority, key = Authority.make("decoys", now_s=time.time()), make_key()
    pem, secret, ca = folder / "decoy.pem", folder / "decoy.key", folder / "decoys.pem"
    ca.write_text(authority.pem)
    pem.write_text(pem_of(authority.issue(_HOST, key.public_key(), now_s=time.time(), is_server=True)))
    secret.write_bytes(key_to_pem(key))
    with _serving(Decoy(ca), pem, secret, "") as second, _serving(Decoy(ca), pem, secret, second.url) as first:
        yield first, second


@contextmanager
def _serving(decoy: Decoy, certificate: Path, key: Path, location: str) -> Iterator[Decoy]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            decoy.asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(307 if location else 500)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = do_HEAD = do_PATCH = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    decoy.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, name="decoy")
    thread.start()
    try:
        yield decoy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def document(revision: int, **changes: object) -> Desired:
    made = Desired(
        v=1,
        aud=ADDRESS.urn,
        iss=SOMCHAI.actor,
        revision=revision,
        iat=int(time.time()),
        config=msgspec.Raw(b"{}"),
        upload_hosts=(_HOST,),
        confirm_within_s=60,
    )
    return msgspec.structs.replace(made, **changes)


def put_in_force(attacker: Attacker, *documents: Desired) -> None:
    """By two people, one after the other."""
    for each in documents:
        attacker.send(ADDRESS.desired, signed(each, SOMCHAI, MALI), is_retained=True)
        wait_until(lambda each=each: _is_kept(attacker, each.revision), "it is not kept", limit_s=90.0)


def _is_kept(attacker: Attacker, revision: int) -> bool:
    said = attacker.newest(ADDRESS.reported)
    report = decode(said, Reported) if said else None
    return report is not None and report.revision == revision and report.trying is None


def desired_rows(
    attacker: Attacker, witness: Witness, agent: AgentUnderTest, oldest: Desired, newest: Desired
) -> list[Row]:
    """Forged documents, and a genuine one that was in force before: as many as a node tells of at once."""
    fresh = newest.revision + 1
    ways: list[tuple[str, Desired, Sequence[Person], str]] = [
        ("desired, unsigned", document(fresh), (), "unsigned"),
        ("desired, wrong key", document(fresh), (STRANGER,), "unknown_key"),
        ("desired, replayed", oldest, (SOMCHAI, MALI), "replayed"),
        ("desired, hosts by one person", document(fresh, upload_hosts=()), (SOMCHAI,), "second_signature_due"),
        (
            "desired, hosts by one, twice",
            document(fresh, upload_hosts=("x.example",)),
            (SOMCHAI,) * 2,
            "second_signature_due",
        ),
    ]
    rows = []
    config = (agent.folder / "wayside.toml").read_bytes()
    for attack, made, people, reason in ways:
        before = witness.desired_refusals(reason)
        attacker.send(ADDRESS.desired, signed(made, *people))
        wait_until(lambda b=before, r=reason: witness.desired_refusals(r) > b, f"no audit says {reason}")
        is_old = _is_kept(attacker, newest.revision) and (agent.folder / "wayside.toml").read_bytes() == config
        rows.append(Row(attack, 1, int(not is_old), witness.desired_refusals(reason) - before, reason))
    return rows


def noise_rows(attacker: Attacker, agent: AgentUnderTest, newest: Desired, count: int) -> list[Row]:
    """Forged from genuine documents of two people, on the two other topics that a node hears; one by one, because a
    desk for documents that come once a year keeps no long queue."""
    genuine = [("", signed(document(newest.revision + 1 + number), SOMCHAI, MALI)) for number in range(20)]
    config, before = (agent.folder / "wayside.toml").read_bytes(), _acked(agent)
    rows = []
    for topic in (ADDRESS.desired, ADDRESS.ack):
        toll = Toll()
        for _, message in forge(genuine, count, random.Random(21), toll):
            attacker.send(topic, message)
        last = command("ping")
        attacker.order(last, signed(last, SOMCHAI))
        wait_until(lambda jti=last.jti: bool(attacker.finals(jti)), "it answers nobody any more", limit_s=60.0)
        is_kept = _is_kept(attacker, newest.revision) and (agent.folder / "wayside.toml").read_bytes() == config
        is_untouched = is_kept and _acked(agent) == before
        name = topic.rpartition("/")[2]
        rows.append(
            Row(f"made at random, on {name}", count, int(not is_untouched), 0, "nothing changed, and it still answers")
        )
    return rows


def upload_rows(attacker: Attacker, witness: Witness, first: Decoy, second: Decoy) -> tuple[list[str], list[Row]]:
    """Clips by a genuine person to a host nobody named, and to one that points at another; the commands' `jti`s."""
    foreign = f"https://{LOOPBACK}:{second.port}/clip/x"
    jtis, rows = [], []
    for attack, url, reason in (
        ("foreign upload host", foreign, "host_not_allowed"),
        ("redirect", first.url, "redirected"),
    ):
        made = command("clip.export", {**span(), "upload_url": url})
        attacker.order(made, signed(made, SOMCHAI))
        wait_until(lambda jti=made.jti: bool(attacker.finals(jti)), f"no answer to {attack}", limit_s=60.0)
        (answer,) = attacker.finals(made.jti)
        assert answer.reason == reason, answer
        told = witness.wait_for_audit(made.jti, reason)
        rows.append(Row(attack, 1, len(second.asked), told, reason))
        jtis.append(made.jti)
    assert first.asked, "the first was never asked, so nothing was redirected"
    return jtis, rows


def ack_rows(attacker: Attacker, agent: AgentUnderTest) -> list[Row]:
    """An `ack` that cannot be true: nothing is forgotten, and an alarm says so until a true one comes."""
    before, epoch = _acked(agent)
    rows = []
    ways = (
        ("ack beyond what was sent", Ack(epoch=epoch, a=f"{10**9:020}"), "beyond_sent"),
        ("ack of another epoch", Ack(epoch=new_uuid7(), a=f"{1:020}"), "other_epoch"),
    )
    for attack, ack, reason in ways:
        attacker.send(ADDRESS.ack, encode(ack), is_retained=True)
        wait_until(lambda r=reason: r.encode() in attacker.newest(ADDRESS.alert("ack-refused")), "no alarm")
        rows.append(Row(attack, 1, int(_acked(agent)[0] != before), 1, f"alert/ack-refused: {reason}"))
    attacker.send(ADDRESS.ack, b"", is_retained=True)
    return rows


def _acked(agent: AgentUnderTest) -> tuple[int, str]:
    conn = open_store(agent.data_dir)
    try:
        now = status(conn)
        return now.acked_a, now.epoch
    finally:
        conn.close()


def certificate_rows(folder: Path) -> list[Row]:
    """At the shipped broker: a neighbour's certificate on this node's topics, a partner's reader, a foreign id.
    `executed` counts what was let through. Each by itself: tests/broker_kit."""
    folder.mkdir(parents=True, exist_ok=True)
    ours, other, away = kit.Row("pao", "site-1", "na"), kit.Row("pao", "site-2", "nb"), kit.Row("dpt", "site-9", "nc")
    shipped = ShippedBroker(folder)
    shipped.rows = [ours, other, away]
    shipped.members = [Member("desk-1", Role.DESK), Member("reader-1", Role.PARTNER, "pao", ("site-1",))]
    shipped.start()
    try:
        return [_neighbour(shipped, ours, other), _partner(shipped, ours, (other, away))]
    finally:
        shipped.stop()


def _own_topics(address: NodeAddress) -> tuple[str, ...]:
    up = (address.state, address.info, address.health, address.reported, address.camera_state("c01"))
    up += (address.camera_live("c01"), address.camera_traffic("c01"), address.alert("disk"))
    return (*up, address.event("c01", "incident"), address.response("desk-1"))


def _neighbour(shipped: ShippedBroker, ours: kit.Row, other: kit.Row) -> Row:
    own = ours.address
    down = (own.command("ping"), own.ack, own.desired)
    with (
        Caller(shipped, shipped.identity("nb"), "nb", hears=("#", f"{own.root}/#", *down)) as neighbour,
        Caller(shipped, shipped.identity("na"), "na") as node,
        Caller(shipped, shipped.identity("desk-1", shipped.centre_ca), "desk-1") as desk,
    ):
        written = [topic for topic in (*_own_topics(own), *down) if neighbour.may_publish(topic)]
        assert all(node.may_publish(topic) for topic in _own_topics(own))
        assert desk.may_publish(own.command("ping")) and desk.may_publish(other.address.command("ping"))
        wait_until(lambda: other.address.command("ping") in neighbour.heard(), "its own command does not come")
        heard = neighbour.heard() - {other.address.command("ping")}
    # By its own certificate under the other's client id: the broker takes the certificate's name for both.
    with Caller(shipped, shipped.identity("nb"), "na") as thief:
        written += [topic for topic in (own.state, own.ack) if thief.may_publish(topic)]
    tried = 2 * len((*_own_topics(own), *down)) + 2
    said = "nothing written or read, under node-a's client id neither"
    return Row("node-b's certificate as node-a", tried, len(written) + len(heard), 0, said)


def _partner(shipped: ShippedBroker, ours: kit.Row, others: Sequence[kit.Row]) -> Row:
    own = ours.address
    gets = set(_own_topics(own)) - {own.reported, own.response("desk-1")}
    with (
        Caller(shipped, shipped.identity("reader-1", shipped.centre_ca), "reader-1", hears=("#",)) as partner,
        Caller(shipped, shipped.identity("desk-1", shipped.centre_ca), "desk-1") as desk,
    ):
        assert partner.is_let_in() and desk.may_publish(own.command("ping"))
        tried = [*_own_topics(own), own.command("ping"), own.ack, own.desired]
        written = [topic for topic in tried if partner.may_publish(topic)]
        said = 1 + len(tried)
        for row in (*others, ours):
            with Caller(shipped, shipped.identity(row.node), row.node) as node:
                assert all(node.may_publish(topic) for topic in _own_topics(row.address))
            said += len(_own_topics(row.address))
        wait_until(lambda: gets <= partner.heard(), "the partner does not hear its own site")
        foreign = partner.heard() - gets
    return Row(
        "a partner's reader", said, len(foreign) + len(written), 0, f"{len(gets)} of its own site heard, no more"
    )
