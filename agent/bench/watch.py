"""`wayside bench watch`: what recording and seeing cost together, against the `motion` daemon on the same video.

motion (Debian's, its configuration stands below) reads the main stream at its own rate and writes nothing; it knows no
objects. Ours records the main stream and sees what the row says. Both read the same file, paced as a camera sends it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.bench import missed
from agent.bench.films import Say, cache_folder, make_film
from agent.bench.record import cpu_seconds, pause, started
from agent.bench.rows import Pair, Row, median_row
from agent.errors import BenchError

PEER: Final = "motion"
FRAMES_PER_S: Final = 25
_SUB_FPS: Final = 10
_FILM_S: Final = 40
# Models are open, the background is learnt and both have begun to read.
_SETTLE_S: Final = 12.0
# Every gate is shut: 20 s of learning, 10 s after the last change, and a camera's own noise is known. It stands for
# years.
_SETTLE_QUIET_S: Final = 80.0
# The campus clip of the demo, as often as the film lasts.
_STREET: Final = Path(__file__).parents[1] / "demo" / "street.mp4"
_PEER_SETTINGS: Final = """\
daemon off
log_level 4
webcontrol_port 0
stream_port 0
width 1920
height 1080
framerate 25
picture_output off
movie_output off
snapshot_interval 0
netcam_url file://{film}
netcam_params loglevel=error
"""


@dataclass(frozen=True, slots=True)
class _Case:
    """`has_sub`: vision reads a sub stream of 640 x 360 at 10 fps; else the main one, 1080p25. `detects`: not motion
    alone."""

    name: str
    is_busy: bool
    has_sub: bool
    detects: bool = True

    @property
    def settle_s(self) -> float:
        return _SETTLE_S if self.is_busy else _SETTLE_QUIET_S


_CASES: Final = (
    _Case("quiet/sub 360p10", is_busy=False, has_sub=True),
    _Case("quiet/main 1080p25 of IDRs", is_busy=False, has_sub=False),
    _Case("busy without detector/sub 360p10", is_busy=True, has_sub=True, detects=False),
    _Case("busy without detector/main 1080p25", is_busy=True, has_sub=False, detects=False),
    _Case("busy with everything/sub 360p10", is_busy=True, has_sub=True),
    _Case("busy with everything/main 1080p25", is_busy=True, has_sub=False),
)


def run(seconds: float, runs: int, say: Say) -> list[Row]:
    """Percent of one core for each case, both sides at the same time, and what the gates missed. Raises BenchError."""
    daemon = shutil.which("motion")
    if daemon is None:
        raise BenchError(problem="motion is not installed", remedy="apt-get install motion")
    rows = []
    for case in _CASES:
        main = _film(case, is_sub=False, say=say)
        sub = _film(case, is_sub=True, say=say) if case.has_sub else None
        pairs = []
        for number in range(runs):
            pairs.append(_measure(daemon, case, main, sub, seconds))
            say(f"{case.name} run {number + 1}: ours {pairs[-1].ours:.2f} %, {PEER} {pairs[-1].peer:.2f} %")
        rows.append(median_row(case.name, pairs, unit="% of a core", peer_name=PEER))
    return [*rows, *missed.run(say)]


def _film(case: _Case, *, is_sub: bool, say: Say) -> Path:
    """The campus with its people, or its first picture, with the noise of a sensor; 4 Mbit/s, an IDR each 2 s."""
    size, rate = ("640:360", _SUB_FPS) if is_sub else ("1920:1080", FRAMES_PER_S)
    film = cache_folder() / f"watch-{'busy' if case.is_busy else 'quiet'}-{size.replace(':', 'x')}-{rate}-cbr.mp4"
    if not film.is_file():
        say(f"making {film.name}, once")
        film.parent.mkdir(parents=True, exist_ok=True)
        endless = "loop=0,setpts=N/FRAME_RATE/TB" if case.is_busy else "loop=1,trim=end_frame=1,loop=loop=-1:size=1"
        scene = f"movie={_STREET}:{endless},scale={size},fps={rate},setpts=N/({rate}*TB),noise=alls=12:allf=t"
        bits = "512k" if is_sub else "4M"
        options = ("-b:v", bits, "-maxrate", bits, "-bufsize", bits, "-g", str(2 * rate))
        make_film(film, scene, options, seconds=_FILM_S)
    return film


def _measure(daemon: str, case: _Case, main: Path, sub: Path | None, seconds: float) -> Pair:
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name, ExitStack() as running:
        folder = Path(name)
        config = _write_config(folder, case, main, sub)
        peer_config = folder / "motion.conf"
        peer_config.write_text(_PEER_SETTINGS.format(film=main), encoding="utf-8")
        begin = [sys.executable, "-m", "agent.processes"]
        vision = running.enter_context(started([*begin, "vision", "--config", str(config)], folder / "vision.log"))
        camera = [*begin, "camera", "c01", "--config", str(config)]
        ours = [vision, running.enter_context(started(camera, folder / "camera.log"))]
        peer = [running.enter_context(started([daemon, "-c", str(peer_config)], folder / "peer.log"))]
        pause(case.settle_s)
        began_s, before = time.monotonic(), (cpu_seconds(ours), cpu_seconds(peer))
        pause(seconds)
        past_s, after = time.monotonic() - began_s, (cpu_seconds(ours), cpu_seconds(peer))
        if not any((folder / "data" / "footage").rglob("*.mp4")):
            raise BenchError(problem="nothing was recorded", said=(folder / "camera.log").read_text()[-500:])
        return Pair(100 * (after[0] - before[0]) / past_s, 100 * (after[1] - before[1]) / past_s)


def _write_config(folder: Path, case: _Case, main: Path, sub: Path | None) -> Path:
    vision = "" if case.detects else '[vision]\ndetector = ""\nfire = ""\n'
    head = f'data_dir = "{folder}/data"\nruntime_dir = "{folder}/run"\n[node]\norg = "o"\nsite = "s"\nid = "n"\n'
    camera = f'[[camera]]\nid = "c01"\nmain = "file:{main}"\nloop = true\n'
    config = folder / "wayside.toml"
    config.write_text(head + vision + camera + (f'sub = "file:{sub}"\n' if sub else ""), encoding="utf-8")
    (folder / "run").mkdir()
    return config
