"""`wayside bench soak`: hours of looped footage through one camera's watch, as fast as it goes.

The demo's street twice, then the same still for five times as long, and again: gates open and shut, tracks come and
go, incidents open and close, runs end and begin. What grows with time is a leak.
"""

from __future__ import annotations

import itertools
import os
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av

from agent.bench.films import Say, cache_folder, make_film
from agent.bench.rows import Pair, Row, median_row
from agent.clock import SystemClock
from agent.config import VisionConfig
from agent.errors import BenchError
from agent.media.gop import is_idr, length_bytes_of
from agent.media.packet import Codec
from agent.notices import StreamRole, StreamStarted, VideoPacket
from agent.notify import Progress
from agent.processes.intake import Intake
from agent.processes.sight import Sight
from agent.processes.watch import CameraWatch
from agent.scene.file import decode_scene
from agent.units import NS_PER_S

_DEMO: Final = Path(__file__).parents[1] / "demo"
_FPS: Final = 10
_STREET_S: Final = 40
_BUSY_S: Final = 2 * _STREET_S
_LOOP_S: Final = 6 * _BUSY_S
# A camera is restarted now and then: every so many loops a new run begins.
_LOOPS_A_RUN: Final = 5
# Models, films and the first incidents have their memory by then.
_WARM_RATIO: Final = 0.1
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class _Tally:
    """What is noted at the end of each loop."""

    resident_mib: list[float] = field(default_factory=list)
    new_tracks: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    backward: int = 0
    last: tuple[int, ...] = ()

    def note(self, watch: CameraWatch, told: int) -> None:
        counts = watch.counts
        now = (counts.decoded, counts.analysed, counts.inferences, counts.tracks, counts.incidents, counts.motion_spans)
        before = self.last or (0,) * len(now)
        self.backward += sum(new < old for new, old in zip(now, before, strict=True))
        self.new_tracks.append(counts.tracks - before[3])
        self.told.append(told)
        self.resident_mib.append(_resident_bytes() / 2**20)
        self.last = now


def run(hours: float, say: Say) -> list[Row]:
    """Rows without a peer. Raises BenchError."""
    tally = _Tally()
    told: list[str] = []
    intake = Intake()
    watch = CameraWatch(
        "c01",
        decode_scene((_DEMO / "street.toml").read_text(encoding="utf-8"), name="street.toml"),
        Sight(VisionConfig()),
        intake=intake,
        tell=lambda finding, _still: told.append(finding.type),
        clock=SystemClock(),
        progress=Progress(),
        stop=threading.Event(),
    )
    film = _film(say)
    loops = max(round(hours * 3600 / _LOOP_S), 2)
    began_s = time.monotonic()
    for loop in range(loops):
        _play(film, watch, intake, loop)
        tally.note(watch, len(told))
        told.clear()
        if loop % 10 == 9:
            speed = (loop + 1) * _LOOP_S / (time.monotonic() - began_s)
            say(f"{(loop + 1) * _LOOP_S / 3600:.1f} h at {speed:.0f} x: {tally.resident_mib[-1]:.1f} MiB")
    watch.finish()
    return _rows(tally, loops, time.monotonic() - began_s)


def _play(film: Path, watch: CameraWatch, intake: Intake, loop: int) -> None:
    """One loop, a second at a time: more would be late, and be skipped."""
    offset_ns = (loop % _LOOPS_A_RUN) * _LOOP_S * NS_PER_S
    run = 1 + loop // _LOOPS_A_RUN
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        length_bytes = length_bytes_of(Codec.H264, extradata)
        if not offset_ns:
            intake.offer(StreamStarted("c01", StreamRole.SUB, 1, run, "h264", 640, 360, time.time_ns()), extradata)
        for second in _seconds(container.demux(stream)):
            for data, media_ns in second:
                begins = is_idr(Codec.H264, data, length_bytes=length_bytes)
                intake.offer(VideoPacket("c01", StreamRole.SUB, run, offset_ns + media_ns, begins), data)
            watch.run_once(patiently=False)


def _seconds(packets: Iterator[av.Packet[av.VideoStream]]) -> Iterator[list[tuple[bytes, int]]]:
    stamped = (
        (bytes(packet), round(packet.pts * packet.time_base * NS_PER_S))
        for packet in packets
        if packet.size and packet.pts is not None and packet.time_base is not None
    )
    for _, group in itertools.groupby(stamped, key=lambda unit: unit[1] // NS_PER_S):
        yield list(group)


def _film(say: Say) -> Path:
    film = cache_folder() / f"soak-640x360-{_FPS}-{_LOOP_S}.mp4"
    if not film.is_file():
        say(f"making {film.name}, once")
        film.parent.mkdir(parents=True, exist_ok=True)
        street = f"movie={_DEMO / 'street.mp4'}:loop=0,setpts=N/FRAME_RATE/TB,fps={_FPS},scale=640:360"
        parts = f"trim=duration={_BUSY_S},tpad=stop_mode=clone:stop_duration={_LOOP_S - _BUSY_S}"
        scene = f"{street},{parts},setpts=N/({_FPS}*TB),noise=alls=8:allf=t"
        make_film(film, scene, ("-crf", "26", "-g", str(2 * _FPS)), seconds=_LOOP_S)
    return film


def _resident_bytes() -> int:
    """Field 2 of statm, in pages (proc_pid_statm(5))."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def _rows(tally: _Tally, loops: int, past_s: float) -> list[Row]:
    warm = round(_WARM_RATIO * loops)
    resident = tally.resident_mib[warm:]
    if not tally.last or not tally.last[3]:
        raise BenchError(problem="nothing was seen", remedy="delete the cached film and try again")
    middle = statistics.median(resident)
    figures = (
        ("soak/footage", loops * _LOOP_S / 3600, "h"),
        ("soak/speed", loops * _LOOP_S / past_s, "x real time"),
        ("soak/resident memory", middle, "MiB"),
        ("soak/resident memory, highest above the median", 100 * (max(resident) / middle - 1), "%"),
        ("soak/resident memory, lowest below the median", 100 * (1 - min(resident) / middle), "%"),
        ("soak/tracks", tally.last[3], "tracks"),
        ("soak/new tracks a loop, most", max(tally.new_tracks[warm:]), "tracks"),
        ("soak/new tracks a loop, fewest", min(tally.new_tracks[warm:]), "tracks"),
        ("soak/incidents", tally.last[4], "incidents"),
        ("soak/counters that went back", tally.backward, "times"),
    )
    return [median_row(name, [Pair(value)], unit=unit) for name, value, unit in figures]
