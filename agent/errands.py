"""Errands: what needs root on an installed node, asked for by a file that a unit of root's takes up (ADR 47).

The node writes `errand.json` into the runtime folder; `wayside-errand.path` sees it, `firmware_scripts/errand` takes it
away, judges it, does it, and leaves its answer in a folder of root's own. On a desk there is no such folder and nobody
to ask.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

import msgspec

from agent.errors import CommandFailed, CommandRejected, DiskError

REQUEST_NAME: Final = "errand.json"
# Made by firmware_scripts/host/etc/tmpfiles.d: root's, and the agent's group may read it.
ANSWERS: Final = Path("/run/wayside-errand")
_POLL_S: Final = 0.5
# A unit that starts takes a second, on a busy Pi some; one that is not there never takes the request away.
TAKEN_LIMIT_S: Final = 60.0
# An answer of the script is some hundred bytes.
_MOST_BYTES: Final = 64 << 10


class ErrandKind(StrEnum):
    REBOOT = "reboot"
    LOGS = "logs"
    UPDATE = "update"
    PASSWORD = "password"  # noqa: S105  (a kind of errand)


class Errand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request. `bundle`, `sha256` and `excuse` belong to an update, `camera` and `jwe` to a password."""

    v: Literal[1]
    id: str
    do: ErrandKind
    bundle: str = ""
    sha256: str = ""
    excuse: tuple[str, ...] = ()
    camera: str = ""
    jwe: str = ""


class ErrandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is a machine word, `message` for people; `file` is what was made, readable by the node."""

    v: Literal[1]
    id: str
    do: ErrandKind
    state: Literal["done", "refused", "failed"]
    reason: str = ""
    message: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class ErrandPlace:
    """Where errands are asked and answered. One at a time: a request that was not taken away yet is never overwritten.
    Safe from any thread."""

    runtime_dir: Path
    answers: Path = ANSWERS

    @property
    def is_there(self) -> bool:
        """Whether this machine was installed as a node, so that somebody takes errands up."""
        return self.answers.is_dir()

    def answer(self, errand_id: str) -> ErrandAnswer | None:
        """None as long as there is none. Raises CommandFailed for one that cannot be read."""
        path = self.answers / f"{errand_id}.json"
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(_MOST_BYTES), type=ErrandAnswer)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as exc:
            remedy = "look at wayside-errand.service on the node"
            raise CommandFailed(reason="errand_unreadable", detail=str(exc), remedy=remedy) from exc

    def run(self, errand: Errand, wait: Callable[[float], bool], limit_s: float) -> ErrandAnswer:
        """Ask, and wait for the end of it; one that was answered before (by its id) is not asked again. `wait` sleeps
        and is True when the caller has to stop.

        Raises CommandRejected `not_installed` on a desk, CommandFailed `stopped`, `errand_busy`, `errand_not_taken`,
        `errand_silent`; DiskError.
        """
        if not self.is_there:
            remedy = "nobody here acts for the node as root: it runs on a desk, or its host's units are not installed"
            raise CommandRejected(reason="not_installed", remedy=remedy)
        if (answer := self.answer(errand.id)) is not None:
            return answer
        self._ask(errand)
        waited_s = 0.0
        while (answer := self.answer(errand.id)) is None:
            if wait(_POLL_S):
                raise CommandFailed(reason="stopped", remedy="the node is ending")
            waited_s += _POLL_S
            if waited_s > TAKEN_LIMIT_S and self._is_waiting(errand):
                self._request.unlink(missing_ok=True)
                remedy = "wayside-errand.path does not run on the node; install the host's units again"
                raise CommandFailed(reason="errand_not_taken", remedy=remedy)
            if waited_s > limit_s:
                raise CommandFailed(reason="errand_silent", remedy="look at wayside-errand.service on the node")
        return answer

    @property
    def _request(self) -> Path:
        return self.runtime_dir / REQUEST_NAME

    def _is_waiting(self, errand: Errand) -> bool:
        try:
            return errand.id.encode() in self._request.read_bytes()
        except OSError:
            return False

    def _ask(self, errand: Errand) -> None:
        """A link, not a rename: another's request that waits is not overwritten."""
        part = self._request.with_name(f"{REQUEST_NAME}.{errand.id}")
        try:
            part.write_bytes(msgspec.json.encode(errand))
            try:
                os.link(part, self._request)
            finally:
                part.unlink()
        except FileExistsError as exc:
            if self._is_waiting(errand):
                return
            raise CommandFailed(reason="errand_busy", remedy="another was just asked for; ask again") from exc
        except OSError as exc:
            raise DiskError(path=str(self._request), error=exc.strerror or "", remedy="look at /run/wayside") from exc
