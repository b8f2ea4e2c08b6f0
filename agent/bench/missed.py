"""What a quiet camera's gates miss: the demo's street after a still minute, seen with the gates and without them.

The scene stands still until every gate is shut, then the street comes to life in the middle of a GOP. Incidents and
crossings that are told without gates and not with them are missed; "idr" leaves the rule aside that a camera with
lines decodes everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

from agent.bench.films import Say, cache_folder, make_film
from agent.bench.rows import Pair, Row, median_row
from agent.config import VisionConfig
from agent.contract import events
from agent.contract.events import CrossingData, IncidentData
from agent.media.gop import is_idr, length_bytes_of
from agent.media.packet import Codec
from agent.media.sparse import SparseDecoder
from agent.processes.observe import Observer, ObserverSettings
from agent.processes.sight import Sight
from agent.scene.engine import Finding
from agent.scene.file import decode_scene
from agent.scene.grammar import Scene
from agent.units import NS_PER_S

_DEMO: Final = Path(__file__).parents[1] / "demo"
# 20 s of learning, 10 s after the last change, and an odd second so that life begins between two IDRs.
_STILL_S: Final = 41
_FILM_S: Final = 80
# Found again within this time it is the same happening.
_SAME_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Version:
    """One way in which a camera sends the same: `noise` in levels of 255, the rest are options of the encoder."""

    name: str
    size: str
    fps: int
    noise: int
    options: tuple[str, ...]


def _constant(bits: str) -> tuple[str, ...]:
    return ("-b:v", bits, "-maxrate", bits, "-bufsize", bits)


_VERSIONS: Final = (
    _Version("main crf 23", "1920:1080", 25, 3, ("-crf", "23")),
    _Version("main cbr 4M", "1920:1080", 25, 12, _constant("4M")),
    _Version("main noisy night 2M", "1920:1080", 25, 40, _constant("2M")),
    _Version("sub cbr 512k", "640:360", 10, 12, _constant("512k")),
    _Version("sub noisy night 256k", "640:360", 10, 40, _constant("256k")),
)


@dataclass(frozen=True, slots=True)
class _Told:
    """A finding that counts: `what` is an incident's kind or a crossing's direction."""

    what: str
    at_s: float


def run(say: Say) -> list[Row]:
    """For each version what was told without gates, and beside it what the gates missed of it. Raises BenchError."""
    sight = Sight(VisionConfig())
    rows = []
    for version in _VERSIONS:
        film = _film(version, say)
        for gate, skips in (("as configured", False), ("idr", True)):
            if skips and version.name.startswith("sub"):
                continue
            whole, _ = _watch(film, sight, is_gated=False, may_skip=False)
            told, looks = _watch(film, sight, is_gated=True, may_skip=skips)
            missed = _missed(whole, told)
            say(f"{version.name}, {gate}: {len(whole)} told without gates, {len(missed)} missed; {looks}")
            for one in missed:
                say(f"  missed: {one.what} at {one.at_s:.1f} s")
            name = f"missed/{version.name}/{gate}"
            rows.append(median_row(name, [Pair(len(missed), len(whole))], unit="findings", peer_name="no gates"))
    return rows


def _film(version: _Version, say: Say) -> Path:
    size = version.size.replace(":", "x")
    film = cache_folder() / f"missed-{size}-{version.name.replace(' ', '-')}.mp4"
    if not film.is_file():
        say(f"making {film.name}, once")
        film.parent.mkdir(parents=True, exist_ok=True)
        street = f"movie={_DEMO / 'street.mp4'},fps={version.fps},scale={version.size}"
        still = f"tpad=start_mode=clone:start_duration={_STILL_S}"
        scene = f"{street},{still},setpts=N/({version.fps}*TB),noise=alls={version.noise}:allf=t"
        make_film(film, scene, (*version.options, "-g", str(2 * version.fps)), seconds=_FILM_S)
    return film


def _watch(film: Path, sight: Sight, *, is_gated: bool, may_skip: bool) -> tuple[list[_Told], str]:
    """What was told, and in words how much was looked at for it."""
    ids = iter(range(1 << 30))
    scene: Scene = decode_scene((_DEMO / "street.toml").read_text(encoding="utf-8"), name="street.toml")
    settings = ObserverSettings(lambda: f"{next(ids)}")
    observer = Observer(sight.pipeline(is_gated=is_gated), scene, settings)
    extradata, units = _units(film)
    decoder = SparseDecoder("h264", extradata, observer, may_skip=may_skip)
    told: list[_Told] = []
    looks = 0
    for data, media_ns, begins in units:
        for each in decoder.decode(data, media_ns, is_idr=begins):
            observation = observer.feed(each.picture)
            if observation is not None:
                looks += 1
                told += filter(None, map(_told, observation.findings))
    told += filter(None, map(_told, observer.finish()))
    return told, f"of {len(units)} pictures {decoder.passed} were not decoded and {looks} looked at"


def _units(film: Path) -> tuple[bytes, list[tuple[bytes, int, bool]]]:
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        length_bytes = length_bytes_of(Codec.H264, extradata)
        return extradata, list(_packets(container.demux(stream), length_bytes))


def _packets(packets: Iterator[av.Packet[av.VideoStream]], length_bytes: int) -> Iterator[tuple[bytes, int, bool]]:
    for packet in packets:
        if packet.size and packet.pts is not None and packet.time_base is not None:
            data = bytes(packet)
            media_ns = round(packet.pts * packet.time_base * NS_PER_S)
            yield data, media_ns, is_idr(Codec.H264, data, length_bytes=length_bytes)


def _told(finding: Finding) -> _Told | None:
    data = finding.data
    if finding.type == events.INCIDENT_OPENED and isinstance(data, IncidentData):
        return _Told(data.kind.value, data.begin_s)
    if isinstance(data, CrossingData):
        return _Told(data.direction.value, data.at_s)
    return None


def _missed(whole: Sequence[_Told], told: Sequence[_Told]) -> list[_Told]:
    """Each that was told counts for one at most, the nearest first."""
    left = list(told)
    missed = []
    for one in whole:
        same = [each for each in left if each.what == one.what and abs(each.at_s - one.at_s) <= _SAME_S]
        if not same:
            missed.append(one)
            continue
        left.remove(min(same, key=lambda each: abs(each.at_s - one.at_s)))
    return missed
