"""Everything the agent raises, as one tree. Facts are attributes; `remedy` tells the person what to do. Pure.

WaysideError
├── UsageError           what a person or a message asked for makes no sense (exit 2, or `rejected`)
│   ├── TimeError        a naive, reversed, Buddhist, malformed or future time
│   ├── UnitError        a size or number that cannot be read
│   └── UnknownCamera    no camera of that id on this node
├── ConfigError          the configuration or a scene file is wrong, with the path of the key
├── CameraError          one camera session failed; `reason` is the gap it causes
│   ├── CameraUnreachable   no answer, no route, no such device or file
│   ├── CameraRefused       the camera said no: password, permission
│   ├── CameraStalled       it was connected and stopped sending
│   │   └── CameraHung       its driver does not return; only a new process helps
│   ├── CameraEnded         it ended the stream (a killed RTSP server is a clean end of file)
│   ├── StreamUnsupported   it sends what cannot be recorded natively
│   └── SoundUnsupported    its sound cannot be recorded; its pictures are
├── FootageError         the ring on disk
│   ├── DiskError           the disk refused: full, I/O error, read-only; `reason` is the gap it causes
│   ├── RingMissing         the ring's marker is not there: its disk is not mounted
│   ├── SegmentDamaged      a file that should be ours does not parse
│   ├── ClipRefused         a clip that cannot be delivered, with its reason
│   ├── ClipDamaged         a delivered clip that does not verify
│   ├── EraseRefused        footage that may not be erased, or is not there
│   └── HoldRefused         a hold that the ring cannot keep, or that is not there
├── StoreError           SQLite or the ledger cannot be used
├── ModelError           a model is missing, has the wrong hash or does not fit its card
├── FrameShapeError      the picture changed its size under a model built for another
├── VideoError           a video to analyse cannot be read
├── MessagingError       the broker
│   ├── BrokerRefused       it answered no; `reason` names why
│   ├── BrokerUnreachable   it did not answer
│   └── WireError           a topic or payload that is not the contract's, or too large for it
├── CommandError         a command to a node
│   ├── CommandRejected     refused before any work, with the reason for the requester
│   ├── CommandFailed       tried and failed
│   └── NoAnswer            the node did not answer in time
├── SignatureError       a signed document or a key that cannot be believed; `reason` is a machine word
├── EnrolmentError       a node could not be enrolled or renewed
│   ├── ClaimRefused        the centre or the node refused the order; `reason`: used, expired, wrong_site …
│   └── CentreUnreachable   nobody answered, or somebody else
├── RegisterError        the office's register: a row, a site, an order that cannot be
├── SetupError           the technician's page refused: closed, locked, wrong PIN
├── DiscoveryError       a camera's own interface (ONVIF) answered wrongly or not at all
├── ReleaseError         a release bundle cannot be made
├── UploadError          the receiver of a clip refused or vanished
├── LiveError            a live picture could not be pushed or made; `reason` says why
├── ServeError           the centre's server cannot listen, or cannot do what it is there for
├── LinkError            a frame on a runtime socket that is not ours, or a socket that cannot be had
├── SupervisorGone       the supervisor ended before its process began
└── BenchError           a measurement could not be made
"""

from __future__ import annotations


class WaysideError(Exception):
    """Base of the tree. Keyword arguments become attributes; `summary` is the class's sentence about what is wrong."""

    summary = "Wayside failed"

    def __init__(self, *, remedy: str = "", **facts: object) -> None:
        self.remedy = remedy
        self.facts = facts
        for key, value in facts.items():
            setattr(self, key, value)
        super().__init__(self.summary)

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own would call the class with the positional arguments, of which there are none but the summary.
        # The state holds what a subclass's constructor takes out of the facts (DiskError.reason).
        return _rebuild, (type(self), self.remedy, self.facts), dict(self.__dict__)

    def __str__(self) -> str:
        facts = ", ".join(f"{key}={value}" for key, value in self.facts.items() if value not in (None, ""))
        text = f"{self.summary} ({facts})" if facts else self.summary
        return f"{text}: {self.remedy}" if self.remedy else text


def _rebuild(kind: type[WaysideError], remedy: str, facts: dict[str, object]) -> WaysideError:
    """The error as it was in the process that raised it."""
    return kind(remedy=remedy, **facts)


class UsageError(WaysideError):
    summary = "the request makes no sense"


class TimeError(UsageError):
    summary = "this time cannot be used"


class UnitError(UsageError):
    summary = "this size cannot be read"


class UnknownCamera(UsageError):
    summary = "no such camera on this node"


class ConfigError(WaysideError):
    summary = "the configuration is wrong"


class CameraError(WaysideError):
    """`reason` is the gap that this failure leaves in the footage (see agent.recording.gaps)."""

    summary = "the camera session failed"
    reason = "cause_unknown"


class CameraUnreachable(CameraError):
    summary = "the camera cannot be reached"
    reason = "camera_unreachable"


class CameraRefused(CameraError):
    summary = "the camera refused"
    reason = "camera_refused"


class CameraStalled(CameraError):
    summary = "the camera stopped sending"
    reason = "camera_stalled"


class CameraHung(CameraStalled):
    summary = "the camera's driver hangs"


class CameraEnded(CameraError):
    summary = "the camera ended the stream"
    reason = "camera_unreachable"


class StreamUnsupported(CameraError):
    summary = "the camera's stream cannot be recorded natively"
    reason = "camera_refused"


class SoundUnsupported(CameraError):
    summary = "the camera's sound cannot be recorded; its pictures are"
    reason = "camera_refused"


class FootageError(WaysideError):
    summary = "the footage cannot be used"


class DiskError(FootageError):
    summary = "the disk refused"
    reason = "disk_error"

    def __init__(self, *, reason: str = "disk_error", remedy: str = "", **facts: object) -> None:
        super().__init__(remedy=remedy, **facts)
        self.reason = reason


class RingMissing(FootageError):
    summary = "the footage disk is not there"
    reason = "disk_missing"


class SegmentDamaged(FootageError):
    summary = "this segment does not parse"


class ClipRefused(FootageError):
    summary = "no clip can be delivered"


class ClipDamaged(FootageError):
    summary = "this clip does not verify"


class EraseRefused(FootageError):
    summary = "this footage is not erased"


class HoldRefused(FootageError):
    summary = "the hold is not as asked"


class StoreError(WaysideError):
    summary = "the store cannot be used"


class ModelError(WaysideError):
    summary = "the model cannot be used"


class FrameShapeError(WaysideError):
    summary = "the picture changed its size"


class VideoError(WaysideError):
    summary = "the video cannot be read"


class MessagingError(WaysideError):
    summary = "messaging failed"


class BrokerRefused(MessagingError):
    summary = "the broker refused"


class BrokerUnreachable(MessagingError):
    summary = "the broker cannot be reached"


class WireError(MessagingError):
    summary = "this is not a message of the contract"


class CommandError(WaysideError):
    summary = "the command did not succeed"


class CommandRejected(CommandError):
    summary = "the command was rejected"


class CommandFailed(CommandError):
    summary = "the command failed"


class NoAnswer(CommandError):
    summary = "the node did not answer"


class SignatureError(WaysideError):
    summary = "this cannot be believed"


class EnrolmentError(WaysideError):
    summary = "the node cannot be enrolled"


class ClaimRefused(EnrolmentError):
    summary = "the work order was refused"


class CentreUnreachable(EnrolmentError):
    summary = "the centre cannot be reached"


class RegisterError(WaysideError):
    summary = "the register does not allow this"


class SetupError(WaysideError):
    summary = "set-up refused"


class DiscoveryError(WaysideError):
    summary = "the camera's own interface does not answer as it should"


class ReleaseError(WaysideError):
    summary = "the release bundle cannot be made"


class UploadError(WaysideError):
    summary = "the upload failed"


class LiveError(WaysideError):
    summary = "the live picture cannot be shown"


class ServeError(WaysideError):
    summary = "the centre cannot serve"


class LinkError(WaysideError):
    summary = "this is not one of our frames"


# Product, the command line: 0 done, 1 the check or the work failed, 2 wrong usage, 3 partial.
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3


def exit_code(error: WaysideError) -> int:
    """What a command that ends with this error exits with."""
    return EXIT_USAGE if isinstance(error, UsageError | ConfigError | RegisterError) else EXIT_FAILED


class SupervisorGone(WaysideError):
    summary = "the supervisor ended before its process began"


class BenchError(WaysideError):
    summary = "this cannot be measured here"
