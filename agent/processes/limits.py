"""What the configuration says of keeping, in the words of the janitor."""

from __future__ import annotations

from agent.config import Config
from agent.recording.retention import CameraLimits, RetentionLimits
from agent.units import parse_bytes


def retention_limits(config: Config) -> RetentionLimits:
    """A camera that names neither days nor bytes has no bounds but the ring's."""
    storage = config.storage
    own = {
        camera.id: CameraLimits(camera.keep_days, parse_bytes(camera.max_bytes) if camera.max_bytes else None)
        for camera in config.cameras
        if camera.keep_days is not None or camera.max_bytes
    }
    return RetentionLimits(storage.max_ring_bytes, storage.min_free_bytes, storage.keep_days, own)
