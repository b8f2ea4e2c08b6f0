"""Where a live picture may go."""

from __future__ import annotations

import pytest

from agent.commands.ingest import IngestPolicy, camera_networks, check_ingest, may_reach
from agent.errors import LiveError

POLICY = IngestPolicy(hosts=("media.example",))
OPEN = IngestPolicy(hosts=("media.example",), allows_loopback=True)
CAMERAS = camera_networks(("rtsp://192.168.7.20/main", "rtsp://[fd00:7::20]/sub", "rtsp://by-name/main", "v4l2:/dev/0"))


@pytest.mark.parametrize(
    ("url", "policy", "reason"),
    [
        ("rtsps://media.example/site/c01?token=once", POLICY, ""),
        ("rtsps://media.example:8322/c01", POLICY, ""),
        ("rtsp://media.example/c01", POLICY, "not_rtsps"),
        ("https://media.example/c01", POLICY, "not_rtsps"),
        ("rtsps://other.example/c01", POLICY, "host_not_allowed"),
        ("rtsps://media.example.evil/c01", POLICY, "host_not_allowed"),
        ("rtsps://user:word@media.example/c01", POLICY, "malformed_address"),
        ("rtsps://media.example:0/c01", POLICY, "malformed_address"),
        ("rtsps://media.example:x/c01", POLICY, "malformed_address"),
        ("rtsps://media.example/c01\r\nANNOUNCE", POLICY, "malformed_address"),
        ("rtsps:///c01", POLICY, "malformed_address"),
        ("rtsp://127.0.0.1:8554/c01", POLICY, "not_rtsps"),
        ("rtsp://127.0.0.1:8554/c01", OPEN, ""),
        ("rtsp://[::1]:8554/c01", OPEN, ""),
        ("rtsp://localhost:8554/c01", OPEN, "not_rtsps"),
        ("rtsp://192.168.7.9/c01", OPEN, "not_rtsps"),
    ],
)
def test_an_ingest_is_a_listed_host_behind_tls(url: str, policy: IngestPolicy, reason: str) -> None:
    if not reason:
        check_ingest(url, policy)
        return
    with pytest.raises(LiveError) as caught:
        check_ingest(url, policy)
    assert caught.value.facts["reason"] == reason


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("203.0.113.9", True),
        ("2001:db8:1::9", True),
        ("2606:4700::1", True),
        ("10.8.0.1", True),
        ("192.168.7.1", False),
        ("::ffff:192.168.7.1", False),
        ("fd00:7::1", False),
        ("fd00:8::1", True),
        ("169.254.1.1", False),
        ("fe80::1%eth0", False),
        ("127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("nonsense", False),
    ],
)
def test_a_name_that_resolves_into_the_site_is_not_connected_to(address: str, may: bool) -> None:
    assert may_reach(address, CAMERAS, allows_loopback=False) is may


def test_loopback_is_for_the_demo() -> None:
    assert may_reach("127.0.0.1", CAMERAS, allows_loopback=True)
