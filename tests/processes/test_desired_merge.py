"""Whatever a document says, the node's own stays its own, and nothing but a refusal comes out of nonsense."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import CameraConfig, Config, decode_config
from agent.enrolment.configuration import to_toml
from agent.errors import ConfigError
from agent.processes.desired_merge import has_secret, host_of, merge_desired
from agent.processes.desired_weight import grave_changes

PRESENT = decode_config(
    """
data_dir = "/data"
runtime_dir = "/run/w"
command_keys = "/home/keys.json"
[node]
org = "o"
site = "s"
id = "n"
[broker]
url = "mqtts://centre.example"
ca = "/home/ca.pem"
certificate = "/home/node.pem"
key = "/home/node.key"
[storage]
ring_id = "abc"
service_until = 2030-01-31
[[camera]]
id = "c01"
main = "rtsp://10.0.0.2/a"
username = "u"
password_file = "/home/c01.secret"
scene = "/home/c01.toml"
record = "schedule"
[[camera.hours]]
from = "06:00"
to = "18:00"
[[camera]]
id = "c02"
main = "file:/demo/street.mp4"
""",
    name="present",
)
KEYS = st.sampled_from(
    [field.encode_name for kind in (Config, CameraConfig) for field in msgspec.structs.fields(kind)]
    + ["url", "keep_days", "max_bytes", "ring_id", "from", "to", "days", "models_dir", "key", "x"]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["c01", "c02", "rtsp://h/a", "rtsp://u:p@h", "400GB", "Asia/Tokyo", "open", "continuous", "[::1"]),
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
SAID = st.dictionaries(KEYS, ANYTHING, max_size=5)


def own(config: Config) -> object:
    """What no document may change."""
    broker = config.broker
    cameras = {each.id: (each.username, each.password_file, each.scene) for each in config.cameras if each.id == "c01"}
    return (
        (config.data_dir, config.runtime_dir, config.command_keys, config.trust, config.node),
        broker and (broker.ca, broker.certificate, broker.key),
        (config.storage.ring_id, config.vision.models_dir, config.vision.own_models_dir),
        cameras or "taken out",
    )


@settings(max_examples=400, deadline=None)
@given(said=SAID)
def test_nonsense_is_refused_and_sense_leaves_the_nodes_own_alone(said: dict[str, object]) -> None:
    try:
        merged = merge_desired(msgspec.json.encode(said), PRESENT)
    except ConfigError:
        return
    assert own(merged) in (own(PRESENT), (*own(PRESENT)[:-1], "taken out"))
    assert decode_config(to_toml(merged), name="again") == merged
    for camera in merged.cameras:
        if camera.id not in ("c01", "c02"):
            assert (camera.username, camera.password_file, camera.scene) == ("", "", "")
        assert not has_secret(camera.main)
    grave_changes(PRESENT, merged)


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[" * 5000, b"\xff\xfe", b'{"a":', b'{"node": null}', b'{"camera": {}}']
)
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigError):
        merge_desired(text, PRESENT)


def test_nothing_said_changes_nothing() -> None:
    assert merge_desired(b"{}", PRESENT) == PRESENT
    whole = msgspec.json.encode(PRESENT)
    assert merge_desired(whole, PRESENT) == PRESENT
    assert grave_changes(PRESENT, PRESENT) == ()


def test_a_source_from_the_desk_may_stay_and_a_new_one_may_not_come() -> None:
    said = b'{"camera": [{"id": "c01"}, {"id": "c02", "name": "north"}]}'
    assert merge_desired(said, PRESENT).cameras[1].main == "file:/demo/street.mp4"
    with pytest.raises(ConfigError, match="from afar"):
        merge_desired(b'{"camera": [{"id": "c01"}, {"id": "c02", "main": "file:/other.mp4"}]}', PRESENT)


@pytest.mark.parametrize(
    ("source", "host", "is_secret"),
    [
        ("rtsp://h/a", "h", False),
        ("rtsp://H:554/a", "h:554", False),
        ("rtsp://u@h/a", "h", True),
        ("rtsp://u:p@h/a", "h", True),
        ("rtsp://a@b@evil/a", "evil", True),
        ("v4l2:/dev/video0", "", False),
        ("picamera:0", "", False),
        ("rtsp://[::1", "", True),
    ],
)
def test_hosts_and_secrets_of_addresses(source: str, host: str, is_secret: bool) -> None:
    assert (host_of(source), has_secret(source)) == (host, is_secret)
