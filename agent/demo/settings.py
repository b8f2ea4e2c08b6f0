"""The demo's configuration: one camera that plays the shipped street clip, everything in one folder. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.contract.topics import NodeAddress

if TYPE_CHECKING:
    from agent.demo.broker import DemoBroker

DEMO_ADDRESS = NodeAddress("demo-province", "campus-gate", "demo-node")
DEMO_CAMERA = "c01"


def demo_config(data_dir: Path, runtime_dir: Path, broker: DemoBroker, clip: Path, scene: Path) -> str:
    """TOML for `wayside run`. `trust = "open"` because nobody has keys yet; the demo listens on loopback only."""
    return f"""# Written by `wayside demo`. Not for a pole: trust is open and nothing is encrypted.
data_dir = "{data_dir}"
runtime_dir = "{runtime_dir}"
timezone = "Asia/Bangkok"
trust = "open"

[node]
org = "{DEMO_ADDRESS.org}"
site = "{DEMO_ADDRESS.site}"
id = "{DEMO_ADDRESS.node}"

[broker]
url = "{broker.url}"
protocol = "{broker.protocol}"
connect_spread_s = 0

[storage]
max_bytes = "1GB"
min_free = "200MB"

[[camera]]
id = "{DEMO_CAMERA}"
name = "Campus gate"
main = "file:{clip}"
scene = "{scene}"
"""
