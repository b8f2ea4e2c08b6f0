"""The live picture of a camera while somebody looks: one thread a camera owns its stream and its codec context.

It ends by itself when nobody has asked for a picture for some seconds, so that aiming costs nothing afterwards. Needs
the node's libraries (av, numpy, OpenCV).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from agent import log
from agent.clock import Clock
from agent.errors import CameraError, VideoError
from agent.units import NS_PER_S
from provisioning.acceptance.footage import decode_idr, encode_picture, newest_footage
from provisioning.page.steps.focus import FocusAdvice, FocusWatch

if TYPE_CHECKING:
    from agent.media.decoder import Picture
    from agent.media.source import SourceAddress

# What a hand on a lens can follow; each picture costs a JPEG of some 40 kB on the technician's Wi-Fi.
RATE_FPS: Final = 4
_EVERY_NS: Final = NS_PER_S // RATE_FPS
# A phone that shows the page asks several times a second; one that was put away does not.
_IDLE_NS: Final = 6 * NS_PER_S
# How long a request for a newer picture waits: a GOP of a camera that is only seen through the ring.
WAIT_S: Final = 5.0
# The ring's newest IDR is looked for this often, and a stream that failed is tried again after this.
_RING_LOOK_S: Final = 0.5
_RETRY_NS: Final = 5 * NS_PER_S

_log = log.get("live")


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Where a camera's live picture comes from. `stream` is None for one that cannot be opened twice (CSI, V4L2): then
    the newest IDR in the ring stands for it, as it does where the stream cannot be opened."""

    camera: str
    stream: SourceAddress | None
    data_dir: Path


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture with what was measured in it. `number` counts from 1; `width`, `height` are the stream's own.

    `problem` is why the stream cannot be had; the picture is then from the ring, or empty.
    """

    number: int
    jpeg: bytes
    width: int
    height: int
    wall_ns: int
    score: float
    best: float
    share: float
    advice: FocusAdvice
    is_from_ring: bool
    problem: CameraError | VideoError | None = None


_NOTHING: Final = Shot(0, b"", 0, 0, 0, 0.0, 0.0, 0.0, FocusAdvice.TURN, is_from_ring=False)


class LivePicture:
    """`shot` and `start_over` from any thread."""

    def __init__(self, source: LiveSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._changed = threading.Condition()
        self._newest = _NOTHING
        self._told = 0
        self._asked_ns = 0
        self._starts_over = False
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def shot(self, after: int = 0, wait_s: float = WAIT_S) -> Shot:
        """A shot with a number above `after`, or the newest when none came in time (number 0: none yet)."""
        with self._changed:
            self._asked_ns = self._clock.mono_ns()
            self._ensure_running()
            told = self._told
            self._changed.wait_for(lambda: self._newest.number > after or self._told > told, wait_s)
            return self._newest

    def start_over(self) -> None:
        """The camera looks at something else now: forget the best focus."""
        with self._changed:
            self._starts_over = True

    def close(self) -> None:
        """Ends the thread and waits for it."""
        self._stop.set()
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join()

    # --- the thread

    def _ensure_running(self) -> None:
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name=f"live-{self._source.camera}")
            self._thread.start()

    def _run(self) -> None:
        stop, focus = threading.Event(), FocusWatch()
        focus.best = self._newest.best
        due_ns = 0
        _log.info("live picture begins", camera=self._source.camera)
        try:
            with closing(self._pictures(stop)) as pictures:
                for picture, is_from_ring in pictures:
                    if self._is_unwatched():
                        break
                    now_ns = self._clock.mono_ns()
                    if now_ns >= due_ns:
                        due_ns = max(due_ns + _EVERY_NS, now_ns)
                        self._show(picture, focus, is_from_ring=is_from_ring)
        finally:
            stop.set()
            with self._changed:
                self._thread = None
            _log.info("live picture ends", camera=self._source.camera, pictures=self._newest.number)

    def _pictures(self, stop: threading.Event) -> Generator[tuple[Picture, bool], None, None]:
        """From the stream; where it cannot be had, from the ring, and the stream is tried again from time to time."""
        stream = self._source.stream
        while not self._is_unwatched():
            until_ns: int | None = None
            if stream is not None:
                try:
                    yield from ((picture, False) for picture in stream_pictures(stream, stop))
                except (CameraError, VideoError) as exc:
                    _log.warning("live stream failed", camera=self._source.camera, problem=str(exc))
                    self._tell(exc)
                until_ns = self._clock.mono_ns() + _RETRY_NS
            yield from ((picture, True) for picture in self._ring_pictures(until_ns))

    def _ring_pictures(self, until_ns: int | None) -> Iterator[Picture]:
        shown: tuple[Path, int] | None = None
        while not self._is_unwatched() and (until_ns is None or self._clock.mono_ns() < until_ns):
            newest = newest_footage(self._source.data_dir, self._source.camera)
            if newest is not None and newest.idr is not None and (newest.path, newest.idr.offset) != shown:
                shown = (newest.path, newest.idr.offset)
                picture = decode_idr(newest)
                if picture is not None:
                    yield picture
            self._stop.wait(_RING_LOOK_S)

    def _show(self, picture: Picture, focus: FocusWatch, *, is_from_ring: bool) -> None:
        from agent.vision.sharpness import focus_score

        jpeg = encode_picture(picture)
        score = focus_score(picture.luma(picture.width, picture.height))
        with self._changed:
            if self._starts_over:
                focus.start_over()
                self._starts_over = False
            focus.update(score)
            self._newest = Shot(
                problem=self._newest.problem if is_from_ring else None,
                number=self._newest.number + 1,
                jpeg=jpeg,
                width=picture.width,
                height=picture.height,
                wall_ns=self._clock.wall_ns(),
                score=focus.now,
                best=focus.best,
                share=focus.share,
                advice=focus.advice,
                is_from_ring=is_from_ring,
            )
            self._changed.notify_all()

    def _tell(self, problem: CameraError | VideoError) -> None:
        with self._changed:
            self._newest = replace(self._newest, problem=problem)
            self._told += 1
            self._changed.notify_all()

    def _is_unwatched(self) -> bool:
        with self._changed:
            return self._stop.is_set() or self._clock.mono_ns() - self._asked_ns > _IDLE_NS


class LivePictures:
    """The live pictures of all cameras, made as they are asked for. Any thread."""

    _all: ClassVar[weakref.WeakSet[LivePictures]] = weakref.WeakSet()

    def __init__(self, clock: Clock) -> None:
        self._all.add(self)
        self._clock = clock
        self._lock = threading.Lock()
        self._live: dict[LiveSource, LivePicture] = {}

    def of(self, source: LiveSource) -> LivePicture:
        """A camera whose address was changed gets a new one; the old one ends by itself."""
        with self._lock:
            if source not in self._live:
                for old in [each for each in self._live if each.camera == source.camera]:
                    del self._live[old]
                self._live[source] = LivePicture(source, self._clock)
            return self._live[source]

    @classmethod
    def close_all(cls) -> None:
        """For the page's end: no thread of a live picture outlives it."""
        for each in list(cls._all):
            each.close()

    def close(self) -> None:
        with self._lock:
            pictures = list(self._live.values())
            self._live.clear()
        for each in pictures:
            each.close()


def stream_pictures(address: SourceAddress, stop: threading.Event) -> Iterator[Picture]:
    """Every picture of a stream, decoded on the calling thread. Raises a CameraError when it ends or cannot be had."""
    from agent.media.decoder import Decoder
    from agent.media.source import open_source

    source = open_source(address)
    try:
        decoder = Decoder(source.format.codec.value, source.format.extradata)
        for number, packet in enumerate(source.packets(stop)):
            yield from decoder.decode(bytes(packet), number)
    finally:
        source.close()
