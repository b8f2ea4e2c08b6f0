"""When packets are taken: a file as a camera would send it, a live stream in sips.

A thread that sleeps before every packet pays more for waking up, with cold caches, than for the packet: 240 µs of CPU
each, 115 µs when it takes five at once (PyAV 18, 1080p25 of 4 Mbit/s, two x86-64 cores). So packets are let gather.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeVar, cast

import av

from agent.units import NS_PER_S

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

S = TypeVar("S", bound="Stream")
OnSound = Callable[[bytes, int], None]

# With the recorder's own pause and fragments of 1 s this stays within the 2 s that a power cut may cost (product).
_GATHER_S: Final = 0.2
# What is read at once lay in a buffer; after a wait the line is empty.
_WAITED_S: Final = 0.002
_DEFAULT_RATE: Final = Fraction(25)


def sipped(packets: Iterator[Packet[S]], stop: threading.Event) -> Iterator[Packet[S]]:
    """A live stream's packets; after one that had to be waited for, the next ones gather in the socket meanwhile."""
    asked_s = time.monotonic()
    for packet in packets:
        waited_s = time.monotonic() - asked_s
        yield packet
        if waited_s > _WAITED_S:
            stop.wait(_GATHER_S)
        asked_s = time.monotonic()


def paced(
    container: InputContainer,
    stream: VideoStream,
    stop: threading.Event,
    *,
    loops: bool,
    on_sound: OnSound | None = None,
) -> Iterator[Packet[VideoStream]]:
    """A file as a camera: no packet before its time, from the beginning again where it loops.

    Time stamps go on over the loop, so that it is one run. `on_sound` is handed what the file's first sound track holds
    meanwhile, with its time on the same line, in ns.
    """
    streams: list[Stream] = [stream]
    if on_sound is not None:
        streams.append(container.streams.audio[0])
    base = stream.time_base or Fraction(1, 90_000)
    tick_s = float(base)
    frame_ticks = max(round(1 / ((stream.average_rate or _DEFAULT_RATE) * base)), 1)
    started_s = time.monotonic()
    first: int | None = None
    shift = last = 0
    while True:
        for packet in container.demux(*streams):
            if packet.dts is None or packet.pts is None:
                continue
            if on_sound is not None and packet.stream_index != stream.index:
                on_sound(bytes(packet), int((packet.pts * packet.time_base + shift * base) * NS_PER_S))
                continue
            if first is None:
                first = packet.dts
            packet.dts += shift
            packet.pts += shift
            last = packet.dts
            early_s = started_s + (last - first) * tick_s - time.monotonic()
            if early_s > 0 and stop.wait(early_s + _GATHER_S):
                return
            yield cast("Packet[VideoStream]", packet)
        if first is None or not loops or not _rewind(container, stream):
            return
        shift = last + frame_ticks - first


def _rewind(container: InputContainer, stream: VideoStream) -> bool:
    try:
        container.seek(stream.start_time or 0, stream=stream, backward=True)
    except av.FFmpegError:
        return False
    return True
