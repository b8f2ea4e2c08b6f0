"""The configuration is decoded strictly, and every refusal says what to do."""

from __future__ import annotations

import pytest

from agent.config import decode_config
from agent.errors import ConfigError

GOOD = """
data_dir = "/var/lib/wayside"
runtime_dir = "/run/wayside"

[node]
org = "songkhla-pao"
site = "hatyai-012"
id = "n7f3k2q"

[storage]
max_bytes = "400GB"

[[camera]]
id = "c01"
main = "rtsp://camera-1/main"
"""


def test_a_minimal_configuration_gets_the_documented_defaults() -> None:
    config = decode_config(GOOD, name="wayside.toml")
    assert config.storage.max_ring_bytes == 400 * 10**9
    assert config.storage.min_free_bytes == 5 * 10**9
    assert config.trust == "signed"
    assert config.zone.key == "Asia/Bangkok"
    assert [camera.id for camera in config.cameras] == ["c01"]
    # Sound is personal data of its own.
    assert not config.cameras[0].audio


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        (
            'max_bytes = "400GB"',
            'max_byte = "400GB"',
            r"storage.max_byte\): no such key; did you mean `max_bytes`\?",
        ),
        ('max_bytes = "400GB"', 'max_bytes = "plenty"', "storage.max_bytes.*400GB"),
        ('org = "songkhla-pao"', 'org = "Songkhla"', "regex"),
        ('id = "c01"', 'id = "node"', "reserved"),
        ('main = "rtsp://camera-1/main"', "", "main"),
        ("[storage]", "[storage", "not valid TOML"),
        ('main = "rtsp://camera-1/main"', 'main = "picamera:0"\naudio = true', "no microphone.*rtsp://"),
        ('main = "rtsp://camera-1/main"', 'main = "rtsp://c/main"\naudio = "yes"', r"audio"),
        ('runtime_dir = "/run/wayside"', 'timezone = "Mars/Base"\nruntime_dir = "/r"', "Asia/Bangkok"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_path_and_advice(old: str, new: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice) as caught:
        decode_config(GOOD.replace(old, new), name="wayside.toml")
    assert "wayside.toml" in str(caught.value)


def test_two_cameras_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match="two cameras"):
        decode_config(GOOD + '[[camera]]\nid = "c01"\nmain = "file:a.mp4"\n', name="wayside.toml")


OPEN = GOOD.replace("[node]", 'trust = "open"\n\n[broker]\nurl = "{url}"\n\n[node]')


@pytest.mark.parametrize("url", ["mqtt://127.0.0.1:1883", "mqtt://127.1.2.3", "mqtts://[::1]:8883"])
def test_an_open_node_speaks_to_a_broker_on_its_own_machine(url: str) -> None:
    assert decode_config(OPEN.replace("{url}", url), name="wayside.toml").trust == "open"
    assert decode_config(GOOD.replace("[node]", 'trust = "open"\n[node]'), name="wayside.toml").broker is None


@pytest.mark.parametrize(
    "url",
    [
        *("mqtts://broker.example", "mqtt://10.0.0.1:1883", "mqtt://0.0.0.0", "mqtt://localhost", "mqtt://[::2]"),
        *("mqtt://127.0.0.1.example", "mqtt://127.0.0.1@evil.example"),
    ],
)
def test_an_open_node_with_any_other_broker_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"trust\): .*127\.0\.0\.1 only.*command_keys"):
        decode_config(OPEN.replace("{url}", url), name="wayside.toml")
    signed = OPEN.replace('trust = "open"', "").replace("{url}", url)
    assert decode_config(signed, name="wayside.toml").trust == "signed"
