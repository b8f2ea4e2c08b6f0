"""A gap's reason in a person's words. Pure."""

from __future__ import annotations

from typing import Final

# What a person asks of a gap first is what happened; the names are GapReason's.
REASON_WORDS: Final = {
    "not_provisioned": "the camera was not yet in service",
    "not_scheduled": "no recording was scheduled",
    "not_yet": "still to come, or not yet on disk",
    "updating": "the agent was being updated",
    "agent_down": "the agent was not running",
    "capture_crashed": "the camera's recording process crashed and was restarted",
    "unclean_reboot": "the machine restarted without an orderly shutdown",
    "power_lost": "the power failed",
    "camera_unreachable": "the camera did not answer",
    "camera_refused": "the camera refused the connection",
    "camera_stalled": "the camera stopped sending",
    "no_keyframe": "the camera sent no frame to begin with",
    "disk_slow": "the disk did not keep up",
    "disk_full": "the disk was full",
    "disk_error": "the disk failed",
    "disk_missing": "the footage disk was not there",
    "clock_step": "the clock was set",
    "expired": "the ring has deleted it to make room",
    "erased": "it was erased on request",
    "cause_unknown": "nothing tells why",
}
