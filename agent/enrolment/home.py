"""The node's home (/etc/wayside): where its papers lie, written whole or not at all, with the right modes."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agent.contract.enrolment import Anchors
from agent.contract.wire import decode, encode
from agent.enrolment.standing import EnrolmentRecord, Standing
from agent.enrolment.wholefile import sync_folder, take_owner, write_whole
from agent.errors import EnrolmentError, WireError

DEFAULT_HOME: Final = Path("/etc/wayside")
DEFAULT_DATA: Final = Path("/var/lib/wayside")
DEFAULT_RUNTIME: Final = Path("/run/wayside")

# Only its owner reads a private file; the cameras' secrets are for the group `wayside` as well, papers are for all.
PRIVATE_MODE: Final = 0o600
GROUP_MODE: Final = 0o640
PUBLIC_MODE: Final = 0o644
_PRIVATE_FILES: Final = frozenset({"node.key", "page.key", "setup.json", "label.json"})
# No paper of a home is larger; a file that is has been tampered with.
_MAX_FILE_BYTES: Final = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NodeHome:
    """Paths and whole-file reads and writes; it decides nothing. Safe from any thread and process: each write replaces
    a file as a whole. Every method raises EnrolmentError where the disk refuses or a file is not ours."""

    root: Path

    @classmethod
    def default(cls) -> NodeHome:
        return cls(Path(os.environ.get("WAYSIDE_HOME") or DEFAULT_HOME))

    @property
    def anchors(self) -> Path:
        return self.root / "anchors.json"

    @property
    def key(self) -> Path:
        return self.root / "node.key"

    @property
    def certificate(self) -> Path:
        return self.root / "node.pem"

    @property
    def ca(self) -> Path:
        """Bundle of the centre's CAs, for the broker and for HTTPS."""
        return self.root / "ca.pem"

    @property
    def command_keys(self) -> Path:
        """Whom this node obeys (agent.contract.pinned)."""
        return self.root / "command-keys.json"

    @property
    def grant(self) -> Path:
        return self.root / "grant.jws"

    @property
    def order(self) -> Path:
        """The work order this node was last set up by, as text with its prefix."""
        return self.root / "order.txt"

    @property
    def config(self) -> Path:
        return self.root / "wayside.toml"

    @property
    def scenes(self) -> Path:
        return self.root / "scenes"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def acceptance(self) -> Path:
        return self.root / "acceptance"

    @property
    def setup(self) -> Path:
        return self.root / "setup.json"

    @property
    def window(self) -> Path:
        """The opening of a node in service."""
        return self.root / "window.json"

    @property
    def presence(self) -> Path:
        """The last boots, in whose pattern somebody's presence shows."""
        return self.root / "presence.json"

    @property
    def enrolment(self) -> Path:
        return self.root / "enrolment.json"

    @property
    def label(self) -> Path:
        return self.root / "label.json"

    @property
    def csr(self) -> Path:
        return self.root / "node.csr"

    @property
    def page_key(self) -> Path:
        return self.root / "page.key"

    @property
    def page_certificate(self) -> Path:
        return self.root / "page.pem"

    @property
    def in_service(self) -> Path:
        return self.root / "in-service"

    @property
    def audit(self) -> Path:
        return self.root / "audit.jsonl"

    def scene(self, camera: str) -> Path:
        return self.scenes / f"{camera}.toml"

    def secret(self, camera: str) -> Path:
        return self.secrets / f"{camera}.secret"

    def ensure_folders(self) -> None:
        """The home and its folders; the home itself is not readable by others."""
        try:
            for folder in (self.root, self.scenes, self.secrets, self.acceptance):
                if not folder.is_dir():
                    folder.mkdir(parents=True, mode=0o750)
                    take_owner(folder, folder.parent if folder != self.root else folder)
        except OSError as exc:
            raise _refused(exc, self.root) from exc

    def read(self, path: Path) -> bytes | None:
        """None where there is no such file."""
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _refused(exc, path) from exc
        if len(data) > _MAX_FILE_BYTES:
            raise EnrolmentError(reason="damaged", file=str(path), remedy="it is too large to be ours")
        return data

    def read_text(self, path: Path) -> str | None:
        data = self.read(path)
        if data is None:
            return None
        try:
            return data.decode()
        except UnicodeDecodeError as exc:
            raise EnrolmentError(reason="damaged", file=str(path), remedy="it is no text") from exc

    def write(self, path: Path, data: bytes, *, mode: int | None = None) -> None:
        """After a power cut the file holds the old bytes or the new ones. Written by root, it belongs to the owner of
        its folder, so that the services can read what first boot made.

        Without `mode` a file has the mode of its kind. Outside of the home, where the boot partition's FAT knows
        neither owners nor modes, both are left alone.
        """
        mode = _mode_of(path) if mode is None else mode
        try:
            write_whole(path, data, mode=mode, is_plain=not path.is_relative_to(self.root))
        except OSError as exc:
            raise _refused(exc, path) from exc

    def write_if_changed(self, path: Path, data: bytes, *, mode: int | None = None) -> bool:
        """Whether it had to be written: a path unit that watches the file must not be roused for nothing."""
        if self.read(path) == data:
            return False
        self.write(path, data, mode=mode)
        return True

    def remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as exc:
            raise _refused(exc, path) from exc

    def load(self, path: Path, kind: type[T]) -> T | None:
        """A JSON file of ours; None where there is none."""
        data = self.read(path)
        if data is None:
            return None
        try:
            return decode(data, kind)
        except WireError as exc:
            raise EnrolmentError(reason="damaged", file=str(path), detail=exc.facts.get("detail")) from exc

    def save(self, path: Path, record: msgspec.Struct, *, mode: int | None = None) -> None:
        self.write(path, encode(record) + b"\n", mode=mode)

    def load_anchors(self) -> Anchors:
        """Raises EnrolmentError `no_anchors` on a node that knows no organisation yet."""
        anchors = self.load(self.anchors, Anchors)
        if anchors is None:
            remedy = "copy the organisation's anchors to the boot partition as wayside-anchors.json and boot again"
            raise EnrolmentError(reason="no_anchors", file=str(self.anchors), remedy=remedy)
        return anchors

    def load_enrolment(self) -> EnrolmentRecord:
        return self.load(self.enrolment, EnrolmentRecord) or EnrolmentRecord()

    def save_enrolment(self, record: EnrolmentRecord) -> None:
        """The marker `in-service`, which units look at, follows the state."""
        self.save(self.enrolment, record)
        if record.state is Standing.IN_SERVICE:
            self.write_if_changed(self.in_service, b"")
        elif self.in_service.exists():
            self.remove(self.in_service)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One holder on the node at a time: the page, first boot and the node process never change papers together."""
        path = self.root / ".lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, GROUP_MODE)
            # First boot is root and makes it; the page and the node must be able to take it too.
            take_owner(path, self.root)
        except OSError as exc:
            raise _refused(exc, self.root) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _mode_of(path: Path) -> int:
    if path.name in _PRIVATE_FILES:
        return PRIVATE_MODE
    return GROUP_MODE if path.suffix == ".secret" else PUBLIC_MODE


def _refused(exc: OSError, path: Path) -> EnrolmentError:
    remedy = "check owner and mode of the node's home, and whether its disk is full or read-only"
    if isinstance(exc, FileNotFoundError):
        remedy = "there is no node's home here: first boot makes it, or name another with --home"
    return EnrolmentError(reason="home", file=str(exc.filename or path), error=exc.strerror or "", remedy=remedy)
