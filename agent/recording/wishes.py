"""What a person's command asks of a node that runs: a file each in `wishes/`, answered by one beside it.

The ledger has one writer. While the node runs, a command that must write there puts its wish into the data folder and
waits; the node carries it out on a thread of its own and answers. A wish that a kill interrupted is still there at the
next start, and is carried out once: it has an id. Who may write here may unlink footage as well, so the folder's
permissions are all the proof there is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec

from agent import log
from agent.contract.wire import Identifier
from agent.errors import DiskError, FootageError, NoAnswer, StoreError
from agent.recording.folder import disk_error, sync_folder, write_synced

FOLDER: Final = "wishes"
_WISH, _ANSWER = ".wish", ".answer"
_LOOK_S: Final = 1.0
_MAX_BYTES: Final = 1 << 16
_Text = Annotated[str, msgspec.Meta(max_length=1000)]
_Wall = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]

_log = log.get("wishes")


class EraseWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="erase"):
    """`wayside footage erase`."""

    request: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}$")]
    camera: Identifier
    start_wall_ns: _Wall
    end_wall_ns: _Wall
    actor: _Text
    purpose: _Text
    case_ref: _Text = ""


class HoldWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="hold"):
    """`wayside footage hold`. The hold's id is the request."""

    request: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}$")]
    camera: Identifier
    start_wall_ns: _Wall
    end_wall_ns: _Wall
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)]
    actor: _Text
    purpose: _Text
    reviewer: _Text = ""
    case_ref: _Text = ""


class ReleaseWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="release"):
    """`wayside footage release`."""

    request: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}$")]
    hold_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}$")]
    actor: _Text
    purpose: _Text


Wish = EraseWish | HoldWish | ReleaseWish


class WishAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reason` is empty for a wish that came true; else an error's own word, and `message` its sentence. What was
    erased, is held now, or was freed by a release."""

    reason: str = ""
    message: str = ""
    segments: int = 0
    bytes: int = 0
    stills: int = 0
    start_wall_ns: int = 0
    end_wall_ns: int = 0
    expires_wall_ns: int = 0


_wishes = msgspec.json.Decoder(Wish)
_answers = msgspec.json.Decoder(WishAnswer)


def wish(data_dir: Path, wanted: Wish, *, patience_s: float, stop: threading.Event) -> WishAnswer:
    """Ask the running node and wait. Raises NoAnswer when it says nothing in this time, or `stop` was set: the wish
    then stands and may still come true. Raises DiskError."""
    folder = data_dir / FOLDER
    asked = folder / f"{wanted.request}{_WISH}"
    answered = folder / f"{wanted.request}{_ANSWER}"
    try:
        _make_folder(folder)
        write_synced(asked, msgspec.json.encode(wanted))
        _give_to_owner(asked, folder)
        waited_s = 0.0
        while not answered.exists():
            if waited_s >= patience_s or stop.wait(_LOOK_S / 4):
                remedy = "the node did not answer; the wish stands and is carried out when it does"
                raise NoAnswer(request=wanted.request, remedy=remedy)
            waited_s += _LOOK_S / 4
        answer = _answers.decode(answered.read_bytes())
        answered.unlink(missing_ok=True)
    except OSError as exc:
        raise disk_error(exc) from exc
    return answer


def serve_wishes(data_dir: Path, carry_out: Callable[[Wish], WishAnswer], stop: threading.Event) -> None:
    """Body of the node's stage: until stopped. Raises DiskError, StoreError; begun again it goes on."""
    while not stop.is_set():
        for path in _waiting(data_dir / FOLDER):
            _serve(path, carry_out)
        stop.wait(_LOOK_S)


def _serve(path: Path, carry_out: Callable[[Wish], WishAnswer]) -> None:
    """The answer first, then the wish goes: a kill between them carries out again what is then done already."""
    wanted = _read(path)
    answer = WishAnswer(reason="not_understood", message="this node does not understand the wish")
    if wanted is not None:
        try:
            answer = carry_out(wanted)
        except (DiskError, StoreError):
            raise
        except FootageError as exc:
            answer = WishAnswer(reason=str(exc.facts.get("reason", "refused")), message=str(exc))
    try:
        write_synced(path.with_suffix(_ANSWER), msgspec.json.encode(answer))
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as exc:
        raise disk_error(exc) from exc
    _log.info("wish answered", request=path.stem, reason=answer.reason)


def _read(path: Path) -> Wish | None:
    try:
        data = path.read_bytes()
        wanted = _wishes.decode(data) if len(data) <= _MAX_BYTES else None
    except OSError as exc:
        raise disk_error(exc) from exc
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return wanted if wanted is not None and wanted.request == path.stem else None


def _waiting(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _WISH)
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise disk_error(exc) from exc


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o770, exist_ok=True)
        _give_to_owner(folder, folder.parent)


def _give_to_owner(path: Path, above: Path) -> None:
    """What an administrator's command writes here the node must read, and remove."""
    owner = above.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)
