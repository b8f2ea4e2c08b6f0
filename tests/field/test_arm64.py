"""The bundle on a bookworm for arm64 under qemu-user: the same script installs it, and it sees what x86-64 sees.

/sys is never mounted there: ONNX Runtime's look at the processors ends in a segmentation fault.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import pytest

from provisioning.release.make import Made
from provisioning.release.source import committed
from tests.field import releases
from tests.field.releases import Office

pytestmark = pytest.mark.timeout(3600)

# Raise the number when the packages change.
BASE: Final = Path.home() / ".cache" / "wayside-rigs" / "arm64-1"
PACKAGES: Final = (
    *("python3", "python3.11", "libpython3.11-stdlib", "libgomp1", "libstdc++6", "zlib1g", "openssl"),
    *("base-files", "bash", "coreutils", "dash", "libc-bin"),
)
# Three GOPs. An analysed picture takes some six seconds under emulation, 0.05 s on x86-64.
CLIP_S: Final = 6.0
# A Pi 4's processor. Left alone qemu offers all that ARM ever had, and ONNX Runtime chooses SVE or SME kernels for it:
# then a single inference did not end within 15 minutes.
PROCESSOR: Final = "QEMU_CPU=cortex-a72"
# The decoded pictures are equal to the byte, and so is OpenCV's bilinear resizing. FFmpeg's conversion to BGR is not.
# Its NEON code is up to 2 of 255 levels away from its SSE code, in three values of four. Seen over these six seconds: 6
# tracks with the same ids, classes and times, boxes at most 0.0027 of the picture apart (where two candidates of nearly
# the same score stood side by side; else some 0.0003), scores at most 0.0105.
BOX_TOLERANCE: Final = 0.005
SCORE_TOLERANCE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Track:
    kind: str
    points: list[list[float]]


def base() -> Path:
    """An arm64 file tree that can run Python; made in some seconds when it is not there."""
    if platform.machine() != "x86_64" or os.geteuid() != 0:
        pytest.skip("needs root on x86-64")
    for tool in ("mmdebstrap", "qemu-aarch64-static", "unshare"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if not Path("/proc/sys/fs/binfmt_misc/register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc"], check=False)
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], check=False)
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        pytest.skip("binfmt_misc knows no qemu-aarch64 here")
    if not BASE.is_dir():
        BASE.parent.mkdir(parents=True, exist_ok=True)
        part = BASE.with_name(f"{BASE.name}.{os.getpid()}.part")
        argv = ["mmdebstrap", "--quiet", "--variant=extract", "--architectures=arm64"]
        subprocess.run([*argv, f"--include={','.join(PACKAGES)}", "bookworm", str(part)], check=True, timeout=900)
        for folder in ("proc", "dev", "tmp", "root"):
            (part / folder).mkdir(exist_ok=True)
        part.rename(BASE)
    return BASE


def run_in(root: Path, *argv: str) -> str:
    """In a mount namespace of its own, so that nothing stays mounted whatever happens."""
    inside = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
    environment = (
        "/usr/bin/env",
        "-i",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "LC_ALL=C.UTF-8",
        PROCESSOR,
    )
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", inside, str(root), *environment, *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        pytest.fail(f"{argv[0]}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}", pytrace=False)
    return done.stdout


def shorten(clip: Path, target: Path) -> None:
    """The first seconds, packet by packet."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as short:
        video = source.streams.video[0]
        stream = short.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.pts is not None and packet.time_base is not None and packet.pts * packet.time_base < CLIP_S:
                packet.stream = stream
                short.mux(packet)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base()
    with committed(releases.ROOT) as source:
        return Office(tmp_path_factory.mktemp("office"), source, ("aarch64", "x86_64")).make("0.1.0")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, street_clip: Path) -> Path:
    target = tmp_path_factory.mktemp("clip") / "street.mp4"
    shorten(street_clip, target)
    return target


@pytest.fixture(scope="module")
def seen_on_x86(made: Made, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[dict[str, object]]:
    root = tmp_path_factory.mktemp("x86")
    tool = [str(releases.ROOT / "firmware_scripts" / "release.py"), "--root", str(root), "--key", str(made.public_key)]
    subprocess.run([*tool, "install", str(made.bundle)], check=True)
    out = root / "seen.jsonl"
    subprocess.run([root / "current/bin/wayside", "analyse", clip, "--tracks", "--out", out], check=True)
    return events(out)


@pytest.fixture(scope="module")
def seen_on_arm64(made: Made, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[dict[str, object]]:
    root = tmp_path_factory.mktemp("arm64") / "root"
    subprocess.run(["cp", "--archive", "--reflink=auto", str(base()), str(root)], check=True)
    try:
        for file, name in ((made.bundle, "bundle.tar"), (made.public_key, "release.pem"), (clip, "street.mp4")):
            shutil.copy(file, root / "root" / name)
        subprocess.run(["tar", "xf", made.bundle, "-C", root / "root", "firmware_scripts"], check=True)
        began_s = time.monotonic()
        tool = ("/root/firmware_scripts/release.py", "--key", "/root/release.pem")
        assert "is installed" in run_in(root, *tool, "install", "/root/bundle.tar")
        installed_s = time.monotonic()
        wayside = "/opt/wayside/current/bin/wayside"
        assert "0.1.0" in run_in(root, wayside, "--version")
        run_in(root, wayside, "analyse", "/root/street.mp4", "--tracks", "--out", "/root/seen.jsonl")
        print(f"installed in {installed_s - began_s:.0f} s, analysed in {time.monotonic() - installed_s:.0f} s")
        return events(root / "root" / "seen.jsonl")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def events(path: Path) -> Sequence[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tracks(seen: Sequence[dict[str, object]]) -> dict[int, Track]:
    data = [one["data"] for one in seen if one["type"] == "wayside.track.v1"]
    return {one["track_id"]: Track(one["class"], one["points"]) for one in data}  # type: ignore[index]


def test_arm64_sees_the_tracks_that_x86_sees(
    seen_on_x86: Sequence[dict[str, object]], seen_on_arm64: Sequence[dict[str, object]]
) -> None:
    ours, theirs = tracks(seen_on_x86), tracks(seen_on_arm64)
    assert ours
    assert {name: one.kind for name, one in theirs.items()} == {name: one.kind for name, one in ours.items()}
    worst_box = worst_score = 0.0
    for name, one in ours.items():
        other = theirs[name].points
        # A point is its media time, the box's four numbers and its score.
        assert [point[0] for point in other] == [point[0] for point in one.points], f"track {name}"
        for point, same in zip(one.points, other, strict=True):
            worst_box = max(worst_box, *(abs(a - b) for a, b in zip(point[1:5], same[1:5], strict=True)))
            worst_score = max(worst_score, abs(point[5] - same[5]))
    print(f"{len(ours)} tracks; boxes differ by at most {worst_box:.5f} of the picture, scores by {worst_score:.5f}")
    assert worst_box <= BOX_TOLERANCE
    assert worst_score <= SCORE_TOLERANCE


def test_arm64_tells_the_events_that_x86_tells(
    seen_on_x86: Sequence[dict[str, object]], seen_on_arm64: Sequence[dict[str, object]]
) -> None:
    assert [(one["type"], one["time"]) for one in seen_on_arm64] == [(one["type"], one["time"]) for one in seen_on_x86]
