"""`wayside centre serve`: the centre's own server, until it is told to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from agent.cli.faults import explained
from agent.cli.settings import JsonOption, json_line
from agent.errors import UsageError, WireError
from agent.mailbox import Mailbox

if TYPE_CHECKING:
    import threading
    from zoneinfo import ZoneInfo

    from agent.centre.intake import EventArrival
    from agent.centre.page import CentrePage
    from agent.centre.service import News, ReceiveLine, ServiceOptions

# Lines that wait for a slow terminal. What does not fit is stored all the same, and its number is told.
_LINES: Final = 10_000
_TICK_S: Final = 0.5

_NameOption = Annotated[
    str, typer.Option("--name", help="who this centre is at the broker: client id and certificate's name")
]
_ServerNamesOption = Annotated[
    list[str] | None,
    typer.Option("--server-name", help="how nodes reach this door; default: the host in the office's address"),
]
_PageOption = Annotated[
    str, typer.Option(help="HOST:PORT on loopback of the read-only page; port 0: any free one; default: none")
]
_PageNamesOption = Annotated[
    list[str] | None, typer.Option("--page-name", help="the name by which a proxy asks for the page")
]
_ReceiveOption = Annotated[
    str, typer.Option(help="HOST:PORT where clips come in over TLS, for `pull --store`; default: none")
]
_ReceiveUrlOption = Annotated[
    str, typer.Option(help="https://name:port by which nodes reach --receive; default: the door's name")
]


@explained
def serve(
    office: Annotated[Path, typer.Option(help="the office's folder", envvar="WAYSIDE_OFFICE")] = Path("office"),
    store: Annotated[Path, typer.Option(help="folder for events and acceptance reports")] = Path("centre"),
    # Nodes come from outside, so it listens on all addresses unless told otherwise.
    listen: Annotated[str, typer.Option(help="HOST:PORT of the door for nodes; port 0: any free one")] = ":8443",
    broker: Annotated[str, typer.Option(help="mqtts://host; without one only enrolment is served")] = "",
    *,
    ca: Annotated[str, typer.Option("--ca", help="the broker's authority; default: the office's")] = "",
    cert: Annotated[str, typer.Option("--cert", help="this centre's certificate; default: one by the office")] = "",
    key: Annotated[str, typer.Option("--key", help="the key of --cert")] = "",
    name: _NameOption = "wayside-centre",
    server_names: _ServerNamesOption = None,
    protocol: Annotated[str, typer.Option(help="MQTT 5 or 3.1.1")] = "5",
    page: _PageOption = "",
    page_names: _PageNamesOption = None,
    receive: _ReceiveOption = "",
    receive_url: _ReceiveUrlOption = "",
    zone: Annotated[str, typer.Option("--timezone", help="in which times are shown")] = "Asia/Bangkok",
    as_json: JsonOption = False,
) -> None:
    """Enrol nodes, store every event once, acknowledge what is stored. Ends on SIGTERM."""
    import logging

    from agent import log
    from agent.centre.service import BrokerLine, ServiceOptions
    from agent.cli.fleet_view import zone_of
    from agent.processes.entry import stop_on_signals

    host, port = _address(listen)
    spoken: Literal["5", "3.1.1"] = "5" if _one_of(protocol, ("5", "3.1.1")) == "5" else "3.1.1"
    line = BrokerLine(url=broker, name=name, ca=ca, certificate=cert, key=key, protocol=spoken) if broker else None
    options = ServiceOptions(
        office=office,
        store=store,
        host=host,
        port=port,
        names=tuple(server_names or ()),
        broker=line,
        receive=_receiving(receive, receive_url),
    )
    shown_zone = zone_of(zone)
    printer = _Printer(shown_zone, as_json=as_json)
    shown = _page(page, store, shown_zone, page_names or [])
    log.setup(level=logging.WARNING)
    stop = stop_on_signals()
    _run(options, shown, printer, stop)


def _run(options: ServiceOptions, page: CentrePage | None, printer: _Printer, stop: threading.Event) -> None:
    """Until `stop`. Ends all that it began."""
    from agent.centre.service import CentreService

    service = CentreService(options, printer.put)
    broker = options.broker.url if options.broker else ""
    url = service.start()
    try:
        printer.say(f"listening on {url}", type="serve.listening", url=url, broker=broker, store=str(options.store))
        if page is not None:
            page_url = page.start()
            printer.say(f"the page is at {page_url}", type="serve.page", url=page_url)
        printer.run(stop)
    finally:
        if page is not None:
            page.close()
        service.close()
    printer.say(f"ended; {printer.events} events stored", type="serve.ended", events=printer.events)


def _page(address: str, store: Path, zone: ZoneInfo, names: list[str]) -> CentrePage | None:
    """Raises UsageError."""
    if not address:
        return None
    from agent.centre.page import CentrePage, PageOptions

    host, port = _address(address)
    return CentrePage(PageOptions(store=store, host=host, port=port, zone=zone, names=tuple(names)))


def _receiving(address: str, url: str) -> ReceiveLine | None:
    """Raises UsageError."""
    if not address:
        return None
    from agent.centre.service import ReceiveLine

    host, port = _address(address)
    return ReceiveLine(host=host, port=port, url=url)


def _address(listen: str) -> tuple[str, int]:
    """Raises UsageError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(listen=listen, remedy="write HOST:PORT, for example 0.0.0.0:8443")
    return host.strip("[]"), int(port)


def _one_of(word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise UsageError(given=word, remedy=f"give one of {', '.join(words)}")
    return word


class _Printer:
    """Lines made on the service's threads, printed by the main thread: a terminal that stands still stops nothing."""

    def __init__(self, zone: ZoneInfo, *, as_json: bool) -> None:
        self._zone = zone
        self._as_json = as_json
        self._lines: Mailbox[str] = Mailbox(_LINES)
        self._is_stdout_gone = False
        self.events = 0

    def put(self, news: News) -> None:
        from agent.centre.doors import Dealing

        if isinstance(news, Dealing):
            words = " ".join(word for word in (news.node or "unknown", news.what, news.state, news.reason) if word)
            self._put(words, type=f"serve.{news.what}", node=news.node, state=news.state, reason=news.reason)
            return
        self.events += len(news.events)
        for event in news.events:
            self._lines.put(self._event_line(event))
        for hole in news.missing:
            words = f"{hole.source} lane {hole.lane}: {hole.numbers.first} to {hole.numbers.last} {hole.absence}"
            self._put(
                words,
                type="serve.missing",
                source=hole.source,
                epoch=hole.epoch,
                lane=hole.lane,
                first=hole.numbers.first,
                last=hole.numbers.last,
                absence=hole.absence,
            )
        for misfit in news.misfits:
            words = f"set aside: {misfit.topic} {misfit.reason} {misfit.detail}"
            self._put(words, type="serve.misfit", topic=misfit.topic, reason=misfit.reason, detail=misfit.detail)

    def say(self, words: str, **facts: object) -> None:
        self._print(self._line(words, facts))

    def run(self, stop: threading.Event) -> None:
        """Print until `stop`, and then what still waits."""
        while not stop.is_set() or self._lines.depth:
            line = self._lines.take(_TICK_S)
            if line is not None:
                self._print(line)
        if self._lines.dropped:
            count = self._lines.dropped
            self.say(f"{count} lines were not shown", type="serve.not_shown", lines=count)

    def _event_line(self, event: EventArrival) -> str:
        from agent.centre.words import describe

        if self._as_json:
            return event.payload.decode()
        try:
            words = describe(event.envelope, self._zone)
        except WireError:
            # Of a newer node than this centre: stored, and shown by its name.
            words = event.envelope.type
        return f"{event.address.site}/{event.address.node} {words}"

    def _line(self, words: str, facts: dict[str, object]) -> str:
        return json_line(facts) if self._as_json else words

    def _put(self, words: str, **facts: object) -> None:
        self._lines.put(self._line(words, facts))

    def _print(self, line: str) -> None:
        if self._is_stdout_gone:
            return
        try:
            print(line, flush=True)
        except OSError:
            # Whoever read the lines has gone. Storing goes on: that is what this program is for.
            self._is_stdout_gone = True
