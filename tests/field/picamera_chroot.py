"""A Debian trixie with the real Picamera2 on libcamera's virtual camera, which plays pictures of a film.

Made once and kept in ~/.cache/wayside-tools (1 GB). What runs in it has a mount namespace of its own, so that nothing
is left mounted. Picamera2 is PyPI's, because Debian has none; kms++ and PiDNG, which only previews and raw files need,
are empty stand-ins. The agent's own packages are those of provisioning/locks/trixie.txt.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
# Raise the number when the recipe changes.
FOLDER = Path.home() / ".cache" / "wayside-tools" / "picamera-trixie-2"
SITE = FOLDER / "opt" / "site"
FRAMES = FOLDER / "opt" / "frames"
_DEBIAN = (
    *("python3", "python3-libcamera", "libcamera-tools", "libcamera-ipa"),
    *("python3-jsonschema", "python3-libarchive-c", "python3-piexif", "python3-pil", "python3-prctl", "python3-tqdm"),
)
_PICAMERA2 = ("picamera2==0.3.38", "videodev2==0.0.4", "simplejpeg==1.9.0")
_YAML = """%YAML 1.1
---
"Virtual0":
  supported_formats:
  - width: 1280
    height: 720
    frame_rates: [5, 30]
  - width: 640
    height: 360
    frame_rates: [5, 30]
  frames:
    path: "/opt/frames"
  location: "CameraLocationFront"
  model: "imx708"
"""
_TOOLS = ("mmdebstrap", "unshare", "gcc", "ffmpeg")


def missing() -> str:
    """Why there can be no chroot here; empty when there can."""
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0:
        return "a chroot needs root"
    if platform.machine() != "x86_64":
        return "the recipe is for x86-64"
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def ensure(film: Path) -> None:
    """Make the chroot unless it is there; two minutes. `film` gives the pictures of its camera."""
    if missing():
        pytest.skip(missing())
    if not (FOLDER / "ready").exists():
        shutil.rmtree(FOLDER, ignore_errors=True)
        _make(film)
        (FOLDER / "ready").touch()
    shutil.copy(HERE / "virtual_camera.py", SITE / "virtual_camera.py")


def _make(film: Path) -> None:
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    _run("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(_DEBIAN)}", "trixie", str(FOLDER))
    # The wheels' own tags decide: pip would also ask this Python, which is another one, whether it is new enough.
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--ignore-requires-python", "--target", str(SITE))
    wheels = (
        "--python-version",
        "3.13",
        "--only-binary",
        ":all:",
        "--implementation",
        "cp",
        "--abi",
        "cp313",
        "--abi",
        "abi3",
        "--abi",
        "none",
    )
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17)]
    platforms += ["--platform=manylinux2014_x86_64", "--platform=any"]
    lock = ROOT / "provisioning" / "locks" / "trixie.txt"
    _run(*pip, *wheels, *platforms, "--no-deps", "--require-hashes", "-r", str(lock))
    _run(*pip, *wheels, *platforms, "--no-deps", *_PICAMERA2)
    _stand_ins()
    with (SITE / "picamera2" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write("\nimport virtual_camera\n")
    _run("gcc", "-shared", "-fPIC", "-O1", "-o", str(FOLDER / "opt" / "shim.so"), str(HERE / "dmabuf_shim.c"), "-ldl")
    pipeline = FOLDER / "usr" / "share" / "libcamera" / "pipeline" / "virtual"
    pipeline.mkdir(parents=True, exist_ok=True)
    (pipeline / "virtual.yaml").write_text(_YAML, encoding="utf-8")
    FRAMES.mkdir(parents=True)
    # Five seconds at the film's own 10 fps; libcamera scales them all each time the camera is opened.
    scale = "scale=1280:720:force_original_aspect_ratio=increase,crop=1280:720"
    _run(
        *("ffmpeg", "-loglevel", "error", "-i", str(film), "-vf", scale, "-frames:v", "50", "-q:v", "3"),
        str(FRAMES / "%03d.jpg"),
    )


def _stand_ins() -> None:
    (SITE / "pykms.py").write_text(
        "class _Any:\n    def __getattr__(self, name):\n        return name\n\n\nPixelFormat = _Any()\n"
    )
    pidng = SITE / "pidng"
    pidng.mkdir()
    (pidng / "__init__.py").touch()
    (pidng / "camdefs.py").write_text("class Picamera2Camera: ...\n")
    (pidng / "core.py").write_text("class PICAM2DNG: ...\n")


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{shlex.join(argv[:3])}: {done.stderr[-2000:]}", pytrace=False)


def start(*argv: str, data: Path) -> subprocess.Popen[str]:
    """Run a command in the chroot with the checkout at /opt/wayside and `data` at /data. It has the process id of the
    command itself: what is sent to it arrives."""
    (FOLDER / "data").mkdir(exist_ok=True)
    (FOLDER / "opt" / "wayside").mkdir(exist_ok=True)
    root = shlex.quote(str(FOLDER))
    mounts = [
        "mount --make-rprivate /",
        f"mount -t proc proc {root}/proc",
        f"mount --rbind /dev {root}/dev",
        f"mount --bind {shlex.quote(str(data))} {root}/data",
        f"mount --bind {shlex.quote(str(ROOT))} {root}/opt/wayside",
        f"mount -o remount,ro,bind {root}/opt/wayside",
    ]
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/tmp",
        "PYTHONPATH": "/opt/site:/opt/wayside",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_PRELOAD": "/opt/shim.so",
        "LIBCAMERA_LOG_LEVELS": "*:ERROR",
        "WAYSIDE_MODELS": "/opt/wayside/models",
        "WAYSIDE_VIRTUAL_CAMERA": "/data/control",
    }
    inside = shlex.join(["env", "-i", *(f"{key}={value}" for key, value in environment.items()), *argv])
    script = " && ".join([*mounts, f"exec chroot {root} {inside}"])
    return subprocess.Popen(
        ["unshare", "--mount", "--", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(*argv: str, data: Path, limit_s: float = 60) -> str:
    """The same, waited for; what it said. The test fails when it does."""
    process = start(*argv, data=data)
    try:
        said, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        pytest.fail(f"{argv[0]} took longer than {limit_s} s:\n{said[-3000:]}", pytrace=False)
    if process.returncode:
        pytest.fail(f"{shlex.join(argv)} ended with {process.returncode}:\n{said[-3000:]}", pytrace=False)
    return said
