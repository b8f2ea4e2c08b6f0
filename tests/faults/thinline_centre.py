"""The centre's side of `make faults ARGS=line`, in its own network namespace: broker, receiver, a person who asks."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from agent import log
from agent.bench.films import make_film
from agent.centre.client import CentreClient, CentreOptions, Request
from agent.centre.desired import newest_report, next_revision, send_document, sign_document
from agent.centre.receive import Announced, Receiver, ReceiverOptions
from agent.contract.commands import Answer, AnswerState, CommandName
from agent.contract.pinned import PinnedKeys
from agent.contract.requests import ClipExportArgs, ClipExportResult, PingArgs, SheetArgs
from agent.contract.states import Desired
from agent.contract.topics import FleetFilter
from agent.contract.wire import decode, encode
from agent.errors import NoAnswer
from agent.recording.clipfile import verify_clip
from agent.signing import make_key
from agent.units import NS_PER_S, format_rfc3339, parse_rfc3339
from tests.broker import Broker, wait_until
from tests.commands.attacks import MALI, SOMCHAI
from tests.faults.ear import ADDRESS, Ear
from tests.faults.rig import STREET, AgentUnderTest, CameraSetup
from tests.faults.thinline import CENTRE_ADDRESS, plug
from tests.rigs.clock import PlayedClock

# Of 8 Mbit/s, whatever it shows: 31 s are 31 MB.
_FILM_S = 33
_CLIP_S = 30
_FPS = 10
_RATE = ("-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "8M", "-g", "20")
_FILLED = ("-x264-params", "nal-hrd=cbr:force-cfr=1:scenecut=0")
# At these shares of the clip the cable is out for so long: a blink, a switch that boots, more than a keepalive.
_CUTS = ((0.2, 3.0), (0.5, 10.0), (0.8, 35.0))
_TICK_S = 0.5


@dataclass(slots=True)
class _Watch:
    """When the line was out, and what was heard when. Written by one thread each."""

    outages: list[tuple[int, int]] = field(default_factory=list)
    pings: list[tuple[int, int]] = field(default_factory=list)

    def was_up(self, begin_ns: int, end_ns: int) -> bool:
        return not any(begin_ns < back_ns and out_ns < end_ns for out_ns, back_ns in self.outages)


def main(folder: Path, node: str) -> int:
    log.setup(level=logging.ERROR)
    film = folder / "heavy.mp4"
    street = f"movie={STREET}:loop=0,setpts=N/FRAME_RATE/TB,fps={_FPS},scale=640:360"
    make_film(film, street, (*_RATE, *_FILLED), seconds=_FILM_S)
    broker = Broker(folder, "allow_anonymous true", CENTRE_ADDRESS)
    broker.start()
    keys = folder / "keys.json"
    keys.write_bytes(encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned, MALI.pinned))))
    pem, secret = _papers(folder)
    clock = PlayedClock(folder / "clock")
    clock.set(0.0, is_synced=True)
    agent = AgentUnderTest(
        folder / "agent",
        (CameraSetup("c01", f"file:{film}"),),
        broker,
        trust=f'command_keys = "{keys}"',
        environment={**clock.environment, "SSL_CERT_FILE": str(pem)},
        inside=("ip", "netns", "exec", node),
    )
    options = ReceiverOptions(host=CENTRE_ADDRESS, certificate=str(pem), key=str(secret))
    try:
        with agent, Ear(broker) as ear, Receiver(options) as receiver, _desk(broker) as desk:
            agent.wait_for_footage("c01", _CLIP_S * _FPS + 10)
            _allow_host(desk)
            for line in _carry(agent, ear, desk, receiver, node):
                print(line, flush=True)
    finally:
        broker.stop()
    return 0


def _carry(agent: AgentUnderTest, ear: Ear, desk: CentreClient, receiver: Receiver, node: str) -> Iterator[str]:
    announced = receiver.announce(agent.folder / "clip.mp4")
    start_ns = agent.runs("c01")[0].start_wall_ns
    start, end = (format_rfc3339(start_ns + at_s * NS_PER_S) for at_s in (0, _CLIP_S))
    args = ClipExportArgs(camera="c01", start=start, end=end, upload_url=announced.url, upload_method="tus")
    answers: list[Answer] = []
    asked = Request(ADDRESS, CommandName.CLIP_EXPORT, args, "accident", "12/2569")
    asking = threading.Thread(target=lambda: answers.append(desk.ask(asked, timeout_s=200.0)), name="asking")
    watch, done = _Watch(), threading.Event()
    pinging = threading.Thread(target=_ping, args=(desk, watch, done), name="pinging")
    begun_ns = time.time_ns()
    asking.start()
    pinging.start()
    wait_until(lambda: announced.received_bytes > 0, "no byte of the clip came", limit_s=60.0)
    yield f"line: the first byte of the clip came {(time.time_ns() - begun_ns) / NS_PER_S:.1f} s after it was asked for"
    yield _sheet(desk, receiver, agent.folder, args)
    for share, out_s in _CUTS:
        _wait_for(announced, share)
        out_ns = time.time_ns()
        plug(node, is_in=False)
        done.wait(out_s)
        plug(node, is_in=True)
        watch.outages.append((out_ns, time.time_ns()))
    asking.join()
    took_s = (time.time_ns() - begun_ns) / NS_PER_S
    done.set()
    pinging.join()
    yield from _tell(answers[0], announced, ear, watch, begun_ns, took_s)


def _sheet(desk: CentreClient, receiver: Receiver, folder: Path, clip: ClipExportArgs) -> str:
    """Asked for while the clip is on its way."""
    expected = receiver.announce(folder / "sheet.jpg")
    args = SheetArgs(camera=clip.camera, start=clip.start, end=clip.end, upload_url=expected.url, upload_method="tus")
    begun_s = time.monotonic()
    answer = desk.ask(Request(ADDRESS, CommandName.SHEET, args, "accident", "12/2569"), timeout_s=60.0)
    assert answer.state is AnswerState.SUCCEEDED, answer
    received = expected.wait(10.0)
    assert received is not None
    size_kb, took_s = received.size_bytes / 1e3, time.monotonic() - begun_s
    return f"line: a contact sheet of {size_kb:.0f} kB, asked for meanwhile, overtakes the clip: {took_s:.1f} s"


def _tell(answer: Answer, announced: Announced, ear: Ear, watch: _Watch, begun_ns: int, took_s: float) -> Iterator[str]:
    assert answer.state is AnswerState.SUCCEEDED, answer
    (promised,) = decode(answer.result, ClipExportResult).files
    received = announced.wait(10.0)
    assert received is not None, "the clip is not there"
    verify_clip(received.path, promised.sha256)
    out_s = sum(back - out for out, back in watch.outages) / NS_PER_S
    least_s = promised.bytes * 8 / 2e6
    yield (
        f"line: {promised.bytes / 1e6:.1f} MB at 2 Mbit/s with {len(watch.outages)} cuts of {out_s:.0f} s together:"
        f" byte for byte in {took_s:.0f} s ({least_s:.0f} s of sending at the least)"
    )
    delays = [
        (each.heard_wall_ns - made_ns) / NS_PER_S
        for each in list(ear.events)
        if (made_ns := parse_rfc3339(each.envelope.time)) > begun_ns and watch.was_up(made_ns, each.heard_wall_ns)
    ]
    yield f"line: {len(delays)} events made and heard between cuts: {_words(delays)}, from what happened to the centre"
    rounds = [(back - sent) / NS_PER_S for sent, back in watch.pings if watch.was_up(sent, back)]
    yield f"line: {len(rounds)} signed pings between cuts, there and back: {_words(rounds)}"
    for out_ns, back_ns in watch.outages:
        heard_ns = min(
            (each.heard_wall_ns for each in list(ear.events) if each.heard_wall_ns > back_ns), default=back_ns
        )
        yield (
            f"line: after {(back_ns - out_ns) / NS_PER_S:.0f} s without a cable the first event was heard"
            f" {(heard_ns - back_ns) / NS_PER_S:.1f} s later"
        )


def _words(values_s: list[float]) -> str:
    ordered = sorted(values_s)
    return f"median {ordered[len(ordered) // 2]:.2f} s, worst {ordered[-1]:.2f} s" if ordered else "none"


def _wait_for(announced: Announced, share: float) -> None:
    def is_there() -> bool:
        size = announced.size_bytes
        return bool(size) and announced.received_bytes >= share * (size or 0)

    wait_until(is_there, "the clip does not move", limit_s=240.0)


def _ping(desk: CentreClient, watch: _Watch, done: threading.Event) -> None:
    while not done.wait(_TICK_S):
        sent_ns = time.time_ns()
        try:
            desk.ask(Request(ADDRESS, CommandName.PING, PingArgs(), "line"), timeout_s=5.0)
        except NoAnswer:
            continue
        watch.pings.append((sent_ns, time.time_ns()))


def _allow_host(desk: CentreClient) -> None:
    """By a signed document of two people: the only way."""
    document = Desired(
        v=1,
        aud=ADDRESS.urn,
        iss=SOMCHAI.actor,
        revision=next_revision(newest_report(desk, ADDRESS)),
        iat=int(time.time()),
        config=msgspec.Raw(b"{}"),
        upload_hosts=(CENTRE_ADDRESS,),
        confirm_within_s=60,
    )
    report = send_document(desk, ADDRESS, sign_document(document, [SOMCHAI.key, MALI.key]), timeout_s=120.0)
    assert not report.errors, report


@contextmanager
def _desk(broker: Broker) -> Iterator[CentreClient]:
    options = CentreOptions(
        broker.url, actor=SOMCHAI.actor, signing_keys=(SOMCHAI.key,), hears=(FleetFilter().of("reported"),)
    )
    client = CentreClient(options)
    client.connect()
    try:
        yield client
    finally:
        client.close()


def _papers(folder: Path) -> tuple[Path, Path]:
    """A certificate for the centre's address, and its key."""
    key = make_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "centre")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(CENTRE_ADDRESS))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "centre.pem", folder / "centre.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    unlocked = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unlocked))
    return pem, secret


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
