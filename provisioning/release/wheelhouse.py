"""The wheels of a release: what the locks name, for each architecture and Python, and our own.

pip fetches them from whichever index or folder the developer's machine is set to; the locks' hashes decide what is
taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import ReleaseError

ARCHITECTURES: Final = ("aarch64", "x86_64")
# The lock that a Python is installed from (docs/decisions/0005).
LOCKS: Final[Mapping[str, str]] = {"3.11": "bookworm", "3.12": "jetson", "3.13": "trixie"}
# Debian 12's C library is 2.36; the oldest that numpy's and ONNX Runtime's wheels know is 2.17.
_GLIBC: Final = range(36, 16, -1)


@dataclass(frozen=True, slots=True)
class Locked:
    """A requirement of a lock: exactly one version, and the SHA-256 (hex) of every file that may stand for it."""

    name: str
    version: str
    hashes: frozenset[str]


def read_lock(path: Path) -> list[Locked]:
    """Raises ReleaseError when a line names no hash."""
    locked = []
    for line in path.read_text(encoding="ascii").replace("\\\n", " ").splitlines():
        match = re.match(r"([a-z0-9-]+)==(\S+)", line)
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", line)
        if match is None or not hashes:
            raise ReleaseError(file=path.name, line=line[:60], remedy="the lock must pin a version and its hashes")
        locked.append(Locked(match[1], match[2], frozenset(hashes)))
    return locked


def fetch(lock: Path, into: Path, *, architecture: str, python: str) -> None:
    """Every wheel of `lock` for one machine, below `into`; what already lies there is proven and kept."""
    if _is_complete(lock, into):
        return
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    argv += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", python]
    for minor in _GLIBC:
        argv += ["--platform", f"manylinux_2_{minor}_{architecture}"]
    argv += ["--platform", f"manylinux2014_{architecture}", "--dest", str(into), "--requirement", str(lock)]
    into.mkdir(parents=True, exist_ok=True)
    run(argv, f"fetching the wheels of {lock.stem} for {architecture}")


def _is_complete(lock: Path, folder: Path) -> bool:
    """Whether a wheel of each of the lock's parts lies here; pip takes seconds to say the same."""
    from provisioning.release.archive import sha256_of

    there = {sha256_of(wheel) for wheel in folder.glob("*.whl")}
    return all(one.hashes & there for one in read_lock(lock))


def gather(
    locks: Path, cache: Path, pythons: Sequence[str], architectures: Sequence[str] = ARCHITECTURES
) -> dict[str, Path]:
    """The wheels by their path in the bundle: what every machine can use lies in `wheels/any`, once.

    `cache` keeps a folder for each machine, so that only what changed is fetched. Raises ReleaseError.
    """
    machines = [(architecture, python) for architecture in architectures for python in pythons]
    with ThreadPoolExecutor(len(machines), thread_name_prefix="wheels") as pool:
        jobs = [
            pool.submit(
                fetch,
                locks / f"{LOCKS[python]}.txt",
                cache / architecture / python,
                architecture=architecture,
                python=python,
            )
            for architecture, python in machines
        ]
        for job in jobs:
            job.result()
    # pip itself, for machines whose Python has none.
    fetch(locks / "pip.lock", cache / "pip", architecture=architectures[0], python=pythons[0])
    gathered: dict[str, Path] = {}
    for architecture, python in machines:
        wanted = frozenset().union(*(one.hashes for one in read_lock(locks / f"{LOCKS[python]}.txt")))
        gathered |= _placed(cache / architecture / python, architecture, wanted)
    pip_hashes = frozenset().union(*(one.hashes for one in read_lock(locks / "pip.lock")))
    return gathered | _placed(cache / "pip", ARCHITECTURES[0], pip_hashes)


def _placed(folder: Path, architecture: str, hashes: frozenset[str]) -> dict[str, Path]:
    """A cache may still hold the wheels of an older lock: only what the lock names is taken."""
    from provisioning.release.archive import sha256_of

    placed = {}
    for wheel in sorted(folder.glob("*.whl")):
        if sha256_of(wheel) in hashes:
            where = "any" if wheel.name.endswith("-any.whl") else architecture
            placed[f"wheels/{where}/{wheel.name}"] = wheel
    return placed


def build_own(source: Path, into: Path, *, epoch_s: int) -> Path:
    """Our own wheel out of `source`; the same source and `epoch_s` give the same bytes."""
    into.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel"]
    argv += ["--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(into), str(source)]
    run(argv, "building our own wheel", SOURCE_DATE_EPOCH=str(epoch_s))
    (wheel,) = into.glob("*.whl")
    return wheel


def run(argv: Sequence[str], what: str, **environment: str) -> str:
    """Its standard output. Raises ReleaseError with the program's last words."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    if done.returncode:
        raise ReleaseError(step=what, said=(done.stderr or done.stdout).strip()[-1500:])
    return done.stdout
