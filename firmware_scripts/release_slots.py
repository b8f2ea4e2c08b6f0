"""The two places of an installed release, `a` and `b`, and the link `current` that names the running one.

Whatever is built is built in the place that does not run; a place counts as installed only once its `installed.json`
stands on the disk, written last. The switch is one rename of a link, so a power cut leaves the old or the new release
running and never half of one. Needs Python 3.11's standard library.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Final

from release_build import PythonFacts, install_wheels, make_environment, python_facts, self_test
from release_bundle import read_bundle, unpack
from release_manifest import ReleaseError, decode_manifest, version_key

SLOTS: Final = ("a", "b")
INSTALLED: Final = "installed.json"
FLOOR: Final = "floor"
# Measured: 37 wheels of 116 MB for one Python and architecture become 420 MB of files.
GROWTH: Final = 4


@dataclass(frozen=True, slots=True)
class Installed:
    """A release in its place. `digest` is its manifest's."""

    slot: str
    version: str
    build: str
    floor: str
    digest: str


class Slots:
    """The folder of the releases, normally /opt/wayside. One process at a time changes it (`changing`)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Raises ReleaseError when another install or update is at work."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w", encoding="ascii") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except OSError as exc:
                raise ReleaseError("another install or update is at work; wait for its end") from exc
            yield

    def current(self) -> str | None:
        """The slot that `current` names."""
        try:
            slot = str((self.root / "current").readlink())
        except OSError:
            return None
        return slot if slot in SLOTS else None

    def free(self) -> str:
        return "b" if self.current() == "a" else "a"

    def installed(self, slot: str) -> Installed | None:
        """None as long as the slot is empty or half built."""
        try:
            raw = (self.root / slot / INSTALLED).read_bytes()
        except OSError:
            return None
        manifest = decode_manifest(raw)
        return Installed(slot, manifest.version, manifest.build, manifest.floor, manifest.digest)

    def floor(self) -> str:
        """The oldest version that may be installed here. It outlives a factory reset: it belongs to the software."""
        try:
            text = (self.root / FLOOR).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return "0.0.0"
        version_key(text)
        return text

    def raise_floor(self, version: str) -> bool:
        """Never lowers it; whether it rose."""
        if version_key(version) <= version_key(self.floor()):
            return False
        write_durably(self.root / FLOOR, f"{version}\n".encode("ascii"))
        return True

    def switch(self, slot: str) -> None:
        """Make `slot` the running release: for those who look, at one instant. Raises ReleaseError for an empty one."""
        self.installed_digest(slot)
        fresh = self.root / ".current.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(slot)
        fresh.replace(self.root / "current")
        sync_folder(self.root)

    def adopt_tools(self, slot: str) -> None:
        """Make the scripts of a release that is known to be good those that install and judge the next ones.

        They stand outside the slots: a release that cannot even start is judged by the one before. A link, renamed.
        """
        source, name = self.root / slot / "firmware_scripts", f"tools-{self.installed_digest(slot)[:12]}"
        target = self.root / name
        if not target.is_dir():
            fresh = self.root / ".tools.new"
            self._empty(fresh)
            shutil.copytree(source, fresh)
            os.sync()
            fresh.replace(target)
        tools = self.root / "tools"
        if not tools.is_symlink() or str(tools.readlink()) != name:
            link = self.root / ".tools.link"
            link.unlink(missing_ok=True)
            link.symlink_to(name)
            link.replace(tools)
            sync_folder(self.root)
        for old in self.root.glob("tools-*"):
            if old.name != name:
                self._empty(old)

    def installed_digest(self, slot: str) -> str:
        """Raises ReleaseError for an empty slot."""
        there = self.installed(slot)
        if there is None:
            raise ReleaseError(f"{self.root / slot} holds no whole release; install one first")
        return there.digest

    def install(self, bundle: Path, public_key: Path, *, python: Path) -> Installed:
        """Prove the bundle and build it in the free slot; the running release is not touched. Again: changes nothing.

        Raises BundleRefused before anything is written, ReleaseError when the machine cannot hold or run it; a slot
        that was being built then stays empty.
        """
        floor = self.floor()
        manifest = read_bundle(bundle, public_key, floor=floor)
        for slot in SLOTS:
            there = self.installed(slot)
            if there is not None and there.digest == manifest.digest:
                return there
        facts = python_facts(python)
        lock = manifest.locks.get(facts.version)
        wheels = f"wheels/{facts.architecture}/"
        if lock is None or not any(name.startswith(wheels) for name in manifest.files):
            known = ", ".join(sorted(manifest.locks))
            raise ReleaseError(
                f"the bundle holds nothing for Python {facts.version} on {facts.architecture} (it is for {known}); "
                "ask the office for a bundle made for this machine"
            )
        slot = self.free()
        self._require_room(bundle)
        place = self.root / slot
        (place / INSTALLED).unlink(missing_ok=True)
        self._empty(place)
        place.mkdir(mode=0o755)
        try:
            self._build(place, bundle, public_key, python=python, lock=lock, facts=facts)
        except BaseException:
            self._empty(place)
            raise
        os.sync()  # some thousand files: one sync of the whole is quicker than one of each
        write_durably(place / INSTALLED, manifest.raw)
        return Installed(slot, manifest.version, manifest.build, manifest.floor, manifest.digest)

    def _require_room(self, bundle: Path) -> None:
        # The bundle holds both architectures; half of it is unpacked.
        needed = bundle.stat().st_size // 2 * GROWTH
        free = shutil.disk_usage(self.root).free
        if free < needed:
            raise ReleaseError(f"{self.root} has {free >> 20} MiB free and needs {needed >> 20}; make room")

    @staticmethod
    def _empty(place: Path) -> None:
        if place.is_symlink() or place.is_file():
            place.unlink()
        elif place.is_dir():
            shutil.rmtree(place)

    def _build(
        self, place: Path, bundle: Path, public_key: Path, *, python: Path, lock: str, facts: PythonFacts
    ) -> None:
        folders = (f"wheels/{facts.architecture}/", "wheels/any/", "locks/", "models/", "firmware_scripts/")

        def is_wanted(name: str) -> bool:
            return name.startswith(folders) or "/" not in name

        manifest = unpack(bundle, public_key, place, floor=self.floor(), wanted=is_wanted)
        make_environment(place, python, has_picamera2=facts.has_picamera2)
        install_wheels(place, lock, facts)
        self_test(place, manifest)
        shutil.rmtree(place / "wheels")


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    # In a folder of others' (the marker's) a link may lie in wait under this name.
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def status(slots: Slots) -> dict[str, object]:
    """For people and programs: what stands where."""
    current = slots.current()
    return {
        "current": current,
        "floor": slots.floor(),
        "slots": {
            slot: json.loads((slots.root / slot / INSTALLED).read_bytes()) | {"files": None, "locks": None}
            for slot in SLOTS
            if slots.installed(slot) is not None
        },
    }
