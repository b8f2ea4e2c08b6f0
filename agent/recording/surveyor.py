"""A worker of `survey`: reads batches of paths from its standard input and answers what it found, until that ends.

A process of its own begun by command, neither forked (the node's locks and store stay its own) nor spawned by
multiprocessing (which runs the parent's main module again). It ends with its parent, whose end of the pipe closes.
`python -m agent.recording.surveyor DATA_DIR`
"""

from __future__ import annotations

import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from agent.errors import DiskError
from agent.recording.naming import SegmentName
from agent.recording.repair import Finding, Looked, look

Found = tuple[str, Looked]

_LENGTH = struct.Struct(">I")


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The disk as a whole refused; the facts of DiskError."""

    reason: str
    path: str
    error: str
    remedy: str


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What stands under each path that was asked for, in order."""

    found: list[Found]


_questions = msgspec.msgpack.Decoder(list[str])
_answers: msgspec.msgpack.Decoder[Answer | Refused] = msgspec.msgpack.Decoder(Answer | Refused)
_encoder = msgspec.msgpack.Encoder()


def look_at(data_dir: Path, paths: Sequence[str]) -> list[Found]:
    """One batch, repaired where torn. What bears no segment's name counts as gone. Raises DiskError."""
    found: list[Found] = []
    for path in paths:
        name = SegmentName.parse(path)
        found.append((path, Looked(Finding.GONE, None) if name is None else look(data_dir, name, may_repair=True)))
    return found


def ask(pipe: IO[bytes], paths: Sequence[str]) -> None:
    _send(pipe, _encoder.encode(paths))


def hear(pipe: IO[bytes]) -> list[Found] | None:
    """The next answer; None when the worker is gone. Raises DiskError as the worker met it."""
    data = _receive(pipe)
    if data is None:
        return None
    answer = _answers.decode(data)
    if isinstance(answer, Refused):
        raise DiskError(reason=answer.reason, path=answer.path, error=answer.error, remedy=answer.remedy)
    return answer.found


def main(data_dir: Path, questions: IO[bytes], answers: IO[bytes]) -> None:
    # Ctrl-C reaches the whole group; the parent decides what becomes of what was found.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (data := _receive(questions)) is not None:
        answer: Answer | Refused
        try:
            answer = Answer(look_at(data_dir, _questions.decode(data)))
        except DiskError as exc:
            facts = {key: str(exc.facts.get(key, "")) for key in ("path", "error")}
            answer = Refused(exc.reason, facts["path"], facts["error"], exc.remedy)
        _send(answers, _encoder.encode(answer))


def _send(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    return data if len(data) == length else None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
