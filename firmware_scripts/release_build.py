"""A release becomes an environment of its own: wheels out of the bundle, then a try. Needs Python 3.11's library."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from release_manifest import Manifest, ReleaseError

ARCHITECTURES: Final = {"aarch64": "aarch64", "arm64": "aarch64", "x86_64": "x86_64", "amd64": "x86_64"}
NODE_USER: Final = "wayside-node"
NODE_GROUP: Final = "wayside"
# Under an emulated processor pip takes minutes; without any end it would hold the lock for ever.
STEP_LIMIT_S: Final = 3600.0
_PYTHON_FACTS: Final = (
    "import importlib.util, platform, sys; "
    "print('%d.%d' % sys.version_info[:2], platform.machine(), importlib.util.find_spec('picamera2') is not None)"
)
_IMPORTS: Final = "import agent, provisioning, agent.processes.entry, av, cv2, numpy, onnxruntime"


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """`version` as "3.11"; `architecture` as the wheels' folders are named."""

    version: str
    architecture: str
    has_picamera2: bool


def python_facts(python: Path) -> PythonFacts:
    said = run([str(python), "-I", "-c", _PYTHON_FACTS], "asking Python what it is").split()
    architecture = ARCHITECTURES.get(said[1].lower())
    if architecture is None:
        raise ReleaseError(f"releases are made for aarch64 and x86-64; this machine is {said[1]}")
    return PythonFacts(said[0], architecture, said[2] == "True")


def make_environment(place: Path, python: Path, *, has_picamera2: bool) -> None:
    """`--without-pip`: Debian's python3 lacks ensurepip unless python3-venv is there; the bundle brings its own pip."""
    # picamera2 is an apt package; where it is not, the system's packages stay out (docs/decisions, releases).
    system = ["--system-site-packages"] if has_picamera2 else []
    run([str(python), "-I", "-m", "venv", "--without-pip", *system, str(place)], "making the environment")


def install_wheels(place: Path, lock: str, facts: PythonFacts) -> None:
    """From the bundle alone; pip proves each wheel once more against the lock."""
    (pip,) = (place / "wheels" / "any").glob("pip-*.whl")
    argv = [str(place / "bin" / "python"), str(pip / "pip"), "--isolated", "--disable-pip-version-check", "--quiet"]
    argv += ["install", "--no-input", "--no-cache-dir", "--no-index", "--no-deps", "--require-hashes"]
    argv += ["--only-binary", ":all:", "--ignore-installed", "--root-user-action", "ignore"]
    argv += ["--find-links", str(place / "wheels" / "any")]
    argv += ["--find-links", str(place / "wheels" / facts.architecture)]
    argv += ["--requirement", str(place / lock), "--requirement", str(place / "locks" / "wayside.txt")]
    run(argv, "installing the wheels")


def self_test(place: Path, manifest: Manifest) -> None:
    """What was built starts, is the version it says, and holds the models it was made with. Raises ReleaseError."""
    run([str(place / "bin" / "python"), "-I", "-c", _IMPORTS], "importing the new release")
    said = run([str(place / "bin" / "wayside"), "--version"], "starting the new release").split()
    if manifest.version not in said:
        raise ReleaseError(f"the new release says it is {' '.join(said)!r} and should be {manifest.version}")
    models = [name for name in manifest.files if name.startswith("models/")]
    for name in models:
        with (place / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != manifest.files[name]:
                raise ReleaseError(f"{place / name} is not what was unpacked; the disk is failing")
    if "models/manifest.json" not in models:
        raise ReleaseError("the release holds no models")


def run(argv: Sequence[str], what: str, *, limit_s: float = STEP_LIMIT_S, as_node: bool = False) -> str:
    """Its standard output. `as_node`: with the rights of the node's user, where there is one.

    Raises ReleaseError with the program's last words.
    """
    # Nothing of the caller's environment may change what is installed or imported.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_", "VIRTUAL"))}
    environment |= {"LC_ALL": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull}
    is_other = as_node and os.geteuid() == 0 and has_user(NODE_USER)
    user, group, groups = (NODE_USER, NODE_GROUP, ()) if is_other else (None, None, None)
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=limit_s,
            user=user,
            group=group,
            extra_groups=groups,
        )
    except FileNotFoundError as exc:
        raise ReleaseError(f"{what}: {argv[0]} is missing") from exc
    except subprocess.TimeoutExpired as exc:
        raise ReleaseError(f"{what} took longer than {limit_s:.0f} s") from exc
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise ReleaseError(f"{what} failed ({done.returncode}): {words}")
    return done.stdout


def has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
