"""The way out of the box: cable, route, names, and whoever should answer at the other end."""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import BrokerRefused
from agent.messaging.broker import BrokerOptions
from agent.messaging.refusals import tls_context
from provisioning.checks.result import CheckResult, Verdict

# A site's line answers within a second or two; a phone's user waits no longer.
_ANSWER_LIMIT_S: Final = 5.0
# A resolver without a line may take 30 s by itself (resolv.conf(5): two tries of 5 s with up to three servers).
_NAME_LIMIT_S: Final = 6.0
# TLS 1.3: a server tells what it thinks of our certificate only after the handshake (RFC 8446, 4.4.2.4).
_SECOND_THOUGHT_S: Final = 1.0
# Cameras need several Mbit/s; 10 Mbit/s Ethernet is a damaged pair in the cable.
_SLOW_MBIT: Final = 100


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as the kernel shows it; `mbit` is None where it does not tell (wireless, virtual)."""

    name: str
    has_carrier: bool
    mbit: int | None


@dataclass(frozen=True, slots=True)
class Service:
    """Somebody at the other end: the `centre` or the `broker`. Empty paths: not that way. `is_tls` false: a desk's."""

    id: str
    host: str
    port: int
    ca: str = ""
    certificate: str = ""
    key: str = ""
    is_tls: bool = True


def interfaces(root: Path) -> list[Interface]:
    """All but loopback (kernel's Documentation/ABI/testing/sysfs-class-net)."""
    found: list[Interface] = []
    for folder in sorted((root / "sys/class/net").glob("*")):
        if folder.name != "lo":
            speed = _number(folder / "speed")
            carrier = _number(folder / "carrier")
            found.append(Interface(folder.name, carrier == 1, speed if speed and speed > 0 else None))
    return found


def has_default_route(root: Path) -> bool:
    """proc(5), /proc/net/route: a destination of zeros; and the same in ipv6_route."""
    routes = [line.split() for line in _read(root / "proc/net/route").splitlines()[1:]]
    if any(len(words) > 2 and words[1] == "00000000" for words in routes):
        return True
    # ::/0 by way of a device; the kernel keeps one on `lo` that refuses everything.
    six = [line.split() for line in _read(root / "proc/net/ipv6_route").splitlines()]
    return any(len(words) == 10 and words[0] == "0" * 32 and words[1] == "00" and words[9] != "lo" for words in six)


def judge_link(found: Sequence[Interface], *, is_routed: bool) -> CheckResult:
    """The best cable counts. Pure."""
    live = [each for each in found if each.has_carrier]
    if not live:
        names = ", ".join(each.name for each in found)
        return CheckResult("link", Verdict.FAILED, "no_carrier" if found else "no_interface", facts={"names": names})
    best = max(live, key=lambda each: each.mbit or 0)
    facts = {"name": best.name, "mbit": best.mbit or 0}
    if best.mbit is not None and best.mbit < _SLOW_MBIT:
        return CheckResult("link", Verdict.WARNING, "slow", best.name, facts)
    if not is_routed:
        return CheckResult("link", Verdict.WARNING, "no_route", best.name, facts)
    return CheckResult("link", Verdict.OK, "ok" if best.mbit else "ok_unknown_speed", best.name, facts)


def check_link(root: Path) -> CheckResult:
    return judge_link(interfaces(root), is_routed=has_default_route(root))


def check_names(hosts: Sequence[str]) -> CheckResult:
    """Whether the names of the other end can be looked up. Takes up to 6 s without a line."""
    names = sorted({host for host in hosts if not _is_address(host)})
    if not names:
        return CheckResult("dns", Verdict.OK, "not_needed")
    for name in names:
        fault = _look_up(name)
        if fault:
            return CheckResult("dns", Verdict.FAILED, fault, name, {"host": name})
    return CheckResult("dns", Verdict.OK, "ok", facts={"hosts": ", ".join(names)})


def check_service(service: Service) -> CheckResult:
    """Connect as the node would, with its certificate, and hang up. Takes up to 5 s when nobody answers."""
    facts = {"host": service.host, "port": service.port}
    verdict, reason = Verdict.FAILED, "timeout"
    try:
        _shake_hands(service)
        verdict, reason = Verdict.OK, "ok"
    except socket.gaierror:
        reason = "unknown_host"
    except ConnectionRefusedError:
        reason = "refused"
    except ssl.SSLCertVerificationError as exc:
        # X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED (OpenSSL, x509_vfy.h): mostly it is our own clock.
        reason = "clock" if exc.verify_code in (9, 10) else "foreign_certificate"
    except ssl.SSLError:
        reason = "tls_refused"
    except BrokerRefused:
        reason = "papers"
    except TimeoutError:
        reason = "timeout"
    except OSError as exc:
        reason, facts = "network", {**facts, "problem": exc.strerror or "unknown"}
    return CheckResult(service.id, verdict, reason, service.host, facts)


def _shake_hands(service: Service) -> None:
    with socket.create_connection((service.host, service.port), _ANSWER_LIMIT_S) as plain:
        if not service.is_tls:
            return
        context = tls_context(
            BrokerOptions(url="", client_id="", ca=service.ca, certificate=service.certificate, key=service.key)
        )
        with context.wrap_socket(plain, server_hostname=service.host) as secured:
            secured.settimeout(_SECOND_THOUGHT_S)
            # A server that is content waits for us to speak; one that is not says so now.
            with contextlib.suppress(TimeoutError):
                secured.recv(1)


def _look_up(name: str) -> str:
    """Empty when the name has an address. The resolver cannot be interrupted, so it is left behind on its thread."""
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            socket.getaddrinfo(name, None)
            answers.put("")
        except socket.gaierror as exc:
            answers.put("no_resolver" if exc.errno == socket.EAI_AGAIN else "unknown_host")

    threading.Thread(target=ask, name="look-up").start()
    try:
        return answers.get(timeout=_NAME_LIMIT_S)
    except queue.Empty:
        return "no_resolver"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_read(path))
    except ValueError:
        return None
