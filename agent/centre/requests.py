"""Pulling a clip: ask the node, receive what it sends, prove it, and put it where the person wanted it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.centre.client import CentreClient, Request
from agent.centre.receive import Receiver, ReceiverOptions
from agent.centre.received import Arrival, Door, ServedDoor
from agent.contract.commands import Answer, AnswerState, CommandName
from agent.contract.requests import (
    ClipCancelArgs,
    ClipExportArgs,
    ClipExportResult,
    ClipPlanArgs,
    ClipPlanResult,
    SheetArgs,
    SheetResult,
)
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode
from agent.errors import UploadError
from agent.identity import new_uuid7
from agent.recording.clipfile import ClipFacts, verify_clip
from agent.recording.sheet import MAX_SHEET_BYTES

OnProgress = Callable[[float, str], None]

# The plan may need one file more by the time of the export, when a camera changes its parameters in between.
_SPARE_FILES = 1
# The node says "done" after the receiver confirmed the last byte; writing the file's end takes moments.
_ARRIVAL_S = 30.0
_DELIVERED = (AnswerState.SUCCEEDED, AnswerState.PARTIAL)


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """Footage of one camera from `start` to `end`, RFC 3339 with offset. `purpose` and `case_ref` stand in the node's
    audit; `jti` is what `clip.cancel` calls the export by."""

    address: NodeAddress
    camera: str
    start: str
    end: str
    purpose: str
    case_ref: str = ""
    jti: str = field(default_factory=new_uuid7)


@dataclass(frozen=True, slots=True)
class PullOptions:
    """`out`: where the clip goes (further files get -2, -3 …); `store`: of the server on this machine that receives it;
    None: this process does, on loopback, which a node of the demo alone accepts. `silence_s`: how long the node may say
    nothing."""

    out: Path
    store: Path | None = None
    silence_s: float = 60.0

    def door(self) -> Door:
        """Raises StoreError."""
        return Receiver(ReceiverOptions()) if self.store is None else ServedDoor(self.store)


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file that arrived and was verified; `facts` is what its own boxes prove."""

    path: Path
    sha256: str
    facts: ClipFacts


@dataclass(frozen=True, slots=True)
class Pulled:
    """`result` is None when the node refused or failed; `answer` then says why. `files` are all verified."""

    answer: Answer
    result: ClipExportResult | None
    files: tuple[PulledFile, ...]


def pull_clip(
    client: CentreClient, request: ClipRequest, options: PullOptions, on_progress: OnProgress | None = None
) -> Pulled:
    """Ask, receive, verify. Raises NoAnswer, UploadError when a promised file did not arrive, ClipDamaged when one is
    not what the node sent."""

    def tell(answer: Answer) -> None:
        if on_progress is not None:
            on_progress(answer.progress or 0.0, answer.message or answer.state.value)

    plan = client.ask(
        _request(
            request, CommandName.CLIP_PLAN, ClipPlanArgs(camera=request.camera, start=request.start, end=request.end)
        ),
        timeout_s=options.silence_s,
    )
    if plan.state is not AnswerState.SUCCEEDED:
        return Pulled(plan, None, ())
    count = max(decode(plan.result, ClipPlanResult).files, 1) + _SPARE_FILES
    with options.door() as door:
        announced = [door.announce(_numbered(options.out, number)) for number in range(count)]
        args = ClipExportArgs(
            camera=request.camera,
            start=request.start,
            end=request.end,
            upload_url=announced[0].url,
            upload_method="tus",
            more_upload_urls=tuple(each.url for each in announced[1:]),
        )
        asked = Request(request.address, CommandName.CLIP_EXPORT, args, request.purpose, request.case_ref, request.jti)
        try:
            answer = client.ask(asked, timeout_s=options.silence_s, on_answer=tell)
        except KeyboardInterrupt:
            # Nobody receives it any more: the node need not send it to a closed door for minutes.
            cancel = ClipCancelArgs(jti=request.jti)
            client.tell(Request(request.address, CommandName.CLIP_CANCEL, cancel, request.purpose, request.case_ref))
            raise
        result = _result(answer)
        files = _collect(result, announced) if answer.state in _DELIVERED and result is not None else ()
    return Pulled(answer, result, files)


@dataclass(frozen=True, slots=True)
class PulledSheet:
    """`result` is None when the node refused or failed; `answer` then says why. Otherwise the JPEG is in its place."""

    answer: Answer
    result: SheetResult | None


def pull_sheet(client: CentreClient, request: ClipRequest, options: PullOptions, stills: int) -> PulledSheet:
    """Ask for a contact sheet and receive it. Raises NoAnswer, UploadError when it did not arrive."""
    with options.door() as door:
        announced = door.announce(options.out, max_bytes=MAX_SHEET_BYTES)
        args = SheetArgs(
            camera=request.camera,
            start=request.start,
            end=request.end,
            upload_url=announced.url,
            upload_method="tus",
            stills=stills,
        )
        asked = Request(request.address, CommandName.SHEET, args, request.purpose, request.case_ref, request.jti)
        answer = client.ask(asked, timeout_s=options.silence_s)
        if answer.state not in _DELIVERED:
            return PulledSheet(answer, None)
        # The receiver has checked the bytes against the hash that the node stated.
        if announced.wait(_ARRIVAL_S) is None:
            raise UploadError(reason="not_arrived", file=options.out.name, remedy="ask for the sheet again")
    return PulledSheet(answer, decode(answer.result, SheetResult))


def _request(request: ClipRequest, name: CommandName, args: ClipPlanArgs) -> Request:
    return Request(request.address, name, args, request.purpose, request.case_ref)


def _result(answer: Answer) -> ClipExportResult | None:
    return None if bytes(answer.result) in (b"", b"null") else decode(answer.result, ClipExportResult)


def _collect(result: ClipExportResult, announced: list[Arrival]) -> tuple[PulledFile, ...]:
    """Every promised file, verified by the hash that the node stated and by its own boxes."""
    files: list[PulledFile] = []
    for promised, expected in zip(result.files, announced, strict=False):
        received = expected.wait(_ARRIVAL_S)
        if received is None:
            raise UploadError(reason="not_arrived", file=promised.name, remedy="ask for the clip again")
        facts = verify_clip(received.path, promised.sha256)
        files.append(PulledFile(received.path, promised.sha256, facts))
    return tuple(files)


def _numbered(out: Path, number: int) -> Path:
    return out if number == 0 else out.with_name(f"{out.stem}-{number + 1}{out.suffix}")
