"""What a camera is told to keep in the configuration is what the janitor goes by."""

from __future__ import annotations

from agent.config import decode_config
from agent.processes.limits import retention_limits
from agent.recording.retention import CameraLimits

_TEXT = """
data_dir = "/var/lib/wayside"
runtime_dir = "/run/wayside"

[node]
org = "bma"
site = "s1"
id = "n1"

[storage]
max_bytes = "100GB"
keep_days = 30

[[camera]]
id = "c01"
main = "file:one.mp4"

[[camera]]
id = "c02"
main = "file:two.mp4"
keep_days = 7
max_bytes = "20GB"
"""


def test_a_camera_with_days_and_bytes_of_its_own_is_kept_by_them_and_the_others_by_the_rings() -> None:
    limits = retention_limits(decode_config(_TEXT, name="wayside.toml"))
    assert limits.by_camera == {"c02": CameraLimits(keep_days=7, max_bytes=20 * 10**9)}
    assert (limits.days_of("c01"), limits.days_of("c02"), limits.max_bytes) == (30, 7, 100 * 10**9)
