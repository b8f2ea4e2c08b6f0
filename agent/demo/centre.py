"""The demo's centre: hears the node, keeps what it hears, acknowledges it, and remembers what staff will ask about."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final
from zoneinfo import ZoneInfo

from agent.centre.client import CentreClient
from agent.centre.lanes import Arrival, LaneBook
from agent.centre.words import describe
from agent.contract import events
from agent.contract.envelope import Envelope, data_of, decode_envelope, position_of
from agent.contract.events import CrossingData, IncidentData, Lane, RecordingData
from agent.contract.topics import NodeAddress, TopicKind, parse_topic
from agent.contract.wire import encode
from agent.messaging.broker import Message
from agent.units import NS_PER_MS, parse_rfc3339

_TICK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class HeardIncident:
    """An incident as it opened."""

    incident_id: str
    camera: str
    data: IncidentData


class DemoCentre:
    """A context: one thread takes the client's inbox. `counts` is by the second word of the events' types."""

    def __init__(self, client: CentreClient, address: NodeAddress, folder: Path, say: Callable[[str], None]) -> None:
        self._client = client
        self._address = address
        self._say = say
        self._zone = ZoneInfo("Asia/Bangkok")
        path = folder / "events.jsonl"
        self._book = _book_of(path)
        self._file = path.open("ab")
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name="demo-centre")
        self.counts: Counter[str] = Counter()
        self.incidents: list[HeardIncident] = []
        self.tracks: set[int] = set()
        self.footage_from_ns = 0

    def __enter__(self) -> DemoCentre:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._file.close()

    def wait_for(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Whether it became so in time; looked at whenever something was heard."""
        with self._news:
            return self._news.wait_for(is_so, timeout_s)

    def _listen(self) -> None:
        while not self._stop.is_set() or self._client.inbox.depth:
            message = self._client.inbox.take(_TICK_S)
            if message is not None:
                self._hear(message)

    def _hear(self, message: Message) -> None:
        if parse_topic(message.topic).kind is TopicKind.EVENT:
            self._keep(decode_envelope(message.payload), message.payload)
        with self._news:
            self._news.notify_all()

    def _keep(self, envelope: Envelope, payload: bytes) -> None:
        """Store first, then acknowledge: what is acknowledged, the node may forget."""
        position = position_of(envelope)
        if self._book.take(position) is Arrival.AGAIN:
            return
        self._file.write(payload + b"\n")
        self._file.flush()
        os.fdatasync(self._file.fileno())
        ack = self._book.ack(position.epoch)
        if ack is not None and position.lane is Lane.A:
            self._client.publish(self._address.ack, encode(ack), is_retained=True)
        self.counts[events.type_word(envelope.type)] += 1
        data = data_of(envelope)
        if isinstance(data, IncidentData):
            self.tracks.update(data.tracks)
        elif isinstance(data, RecordingData) and not self.footage_from_ns:
            self.footage_from_ns = parse_rfc3339(data.at) + NS_PER_MS
        elif isinstance(data, CrossingData):
            self.tracks.add(data.track_id)
        if envelope.type == events.INCIDENT_OPENED and isinstance(data, IncidentData):
            camera = envelope.subject.removeprefix("cam/")
            self.incidents.append(HeardIncident(data.incident_id, camera, data))
        self._say(describe(envelope, self._zone))


def _book_of(path: Path) -> LaneBook:
    """What an earlier demo in the same folder has stored: its node goes on counting there."""
    book = LaneBook()
    if path.exists():
        for line in path.read_bytes().splitlines():
            book.take(position_of(decode_envelope(line)))
    return book
