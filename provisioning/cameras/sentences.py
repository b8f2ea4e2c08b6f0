"""What went wrong with a camera, and what is advised, in the technician's language."""

from __future__ import annotations

from typing import Final

from agent.errors import (
    CameraEnded,
    CameraRefused,
    CameraStalled,
    CameraUnreachable,
    DiscoveryError,
    StreamUnsupported,
    WaysideError,
)
from provisioning.cameras.suggestion import Advice
from provisioning.texts import Language, say, texts

# What the agent's own source raises, by class.
_BY_CLASS: Final = (
    (CameraRefused, "refused"),
    (CameraStalled, "stalled"),
    (CameraEnded, "ended"),
    (CameraUnreachable, "unreachable"),
    (StreamUnsupported, "unsupported"),
)


def explain(language: Language, error: WaysideError) -> str:
    """One sentence or two: what is wrong and what to do. Holds no address and no password."""
    word = _word(error)
    key = f"cameras.problem.{word}"
    return say(language, key if key in texts(language) else "cameras.problem.other")


def advise(language: Language, advice: Advice) -> str:
    return say(language, f"cameras.advice.{advice.value}")


def absence(language: Language, kind: str, problem: str) -> str:
    """Why there are no local cameras. kind: v4l2 or csi; problem: as in LocalCameras."""
    return say(language, f"cameras.absent.{kind}.{problem}")


def _word(error: WaysideError) -> str:
    if isinstance(error, DiscoveryError):
        return str(error.facts.get("reason", ""))
    problem = error.facts.get("problem")
    if isinstance(error, CameraRefused) and problem in {"default_password", "wrong_password"}:
        return str(problem)
    return next((word for kind, word in _BY_CLASS if isinstance(error, kind)), "other")
