"""How a desk reaches its broker: options that every `wayside centre` command shares, stated once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Concatenate, Literal, ParamSpec

import typer
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from agent.centre.client import CentreClient, CentreOptions
from agent.cli.faults import explained
from agent.contract.topics import FleetFilter
from agent.errors import UsageError
from agent.signing import key_from_pem

P = ParamSpec("P")

# A broker answers within a second or two, over a satellite within five; people wait no longer for a wrong address.
_CONNECT_S = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The fields are the options: `at_desk` gives them to the command line as they stand here."""

    broker: Annotated[str, typer.Option("--broker", help="mqtt://host or mqtts://host", envvar="WAYSIDE_BROKER")]
    actor: Annotated[str, typer.Option("--actor", help="who asks; it stands in the node's audit")] = "desk"
    role: Annotated[str, typer.Option("--role", help="as what they ask")] = "operator"
    sign: Annotated[
        str,
        typer.Option(
            "--sign", help="key files, with commas between: the actor's, and a second person's where two are due"
        ),
    ] = ""
    protocol: Annotated[str, typer.Option("--protocol", help="5 or 3.1.1")] = "5"
    ca: Annotated[str, typer.Option("--ca", help="certificate of the broker's authority, for mqtts")] = ""
    cert: Annotated[str, typer.Option("--cert", help="this desk's certificate, for mqtts")] = ""
    key: Annotated[str, typer.Option("--key", help="this desk's key, for mqtts")] = ""

    @property
    def keys(self) -> tuple[EllipticCurvePrivateKey, ...]:
        """Read anew each time. Raises UsageError, SignatureError."""
        return tuple(_read_key(Path(each.strip())) for each in self.sign.split(",") if each.strip())

    @contextmanager
    def connected(self, *tails: str) -> Iterator[CentreClient]:
        """A client that hears `tails` of every node. Raises UsageError, ConfigError, BrokerRefused,
        BrokerUnreachable."""
        if self.protocol not in ("5", "3.1.1"):
            raise UsageError(protocol=self.protocol, remedy="MQTT is 5 or 3.1.1")
        protocol: Literal["5", "3.1.1"] = "5" if self.protocol == "5" else "3.1.1"
        options = CentreOptions(
            url=self.broker,
            ca=self.ca,
            certificate=self.cert,
            key=self.key,
            protocol=protocol,
            actor=self.actor,
            role=self.role,
            signing_keys=self.keys,
            hears=tuple(FleetFilter().of(tail) for tail in tails),
        )
        client = CentreClient(options)
        client.connect(_CONNECT_S)
        try:
            yield client
        finally:
            client.close()


def _read_key(path: Path) -> EllipticCurvePrivateKey:
    """Raises UsageError, SignatureError."""
    try:
        return key_from_pem(path.read_bytes())
    except OSError as exc:
        raise UsageError(sign=str(path), remedy=f"this key cannot be read ({exc.strerror})") from exc


def at_desk(command: Callable[Concatenate[Desk, P], None]) -> Callable[..., None]:
    """Make a command of `command`, whose first parameter is the desk: its options come after the command's own."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    desk = list(inspect.signature(Desk, eval_str=True).parameters.values())
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *desk]

    @functools.wraps(command)
    def begin(*args: P.args, **options: P.kwargs) -> None:
        given = {field.name: str(options.pop(field.name)) for field in fields(Desk)}
        command(Desk(**given), *args, **options)

    # typer reads a command's options from its signature and its annotations.
    begin.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    begin.__annotations__ = {each.name: each.annotation for each in parameters}
    return explained(begin)
