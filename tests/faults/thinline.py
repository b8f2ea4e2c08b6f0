"""A clip of 30 MB over a line of 2 Mbit/s that is cut three times: byte for byte, while events go on being heard.

The node stands in a network namespace of its own, the centre in another, and a veth pair with `tc tbf` at both ends is
the line between them. Clips go by TLS to a host that a signed `desired` named, commands are signed: as in the field.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.faults.rig import ROOT

CENTRE_ADDRESS, NODE_ADDRESS = "10.79.65.1", "10.79.65.2"
# As a DSL line's buffer: a full queue alone delays by 0.4 s.
_SHAPE = ("tbf", "rate", "2mbit", "burst", "16kb", "latency", "400ms")
_LIMIT_S = 900


def line(folder: Path) -> list[str]:
    lacking = [tool for tool in ("ip", "tc", "ffmpeg", "mosquitto") if shutil.which(tool) is None]
    if os.geteuid() != 0 or lacking:
        return [f"line: not run, it needs root and {', '.join(lacking) or 'network namespaces'}"]
    folder.mkdir(parents=True, exist_ok=True)
    centre, node = (f"wayside-{side}-{os.getpid()}" for side in ("office", "pole"))
    try:
        _join(centre, node)
        argv = ["ip", "netns", "exec", centre, sys.executable, "-m", "tests.faults.thinline_centre", str(folder), node]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_LIMIT_S)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return done.stdout.splitlines()
    finally:
        for name in (centre, node):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _join(centre: str, node: str) -> None:
    for name in (centre, node):
        _run("ip", "netns", "add", name)
        _run("ip", "-n", name, "link", "set", "lo", "up")
    _run("ip", "link", "add", "eth0", "netns", centre, "type", "veth", "peer", "name", "eth0", "netns", node)
    for name, address in ((centre, CENTRE_ADDRESS), (node, NODE_ADDRESS)):
        _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "eth0", "up")
        _run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", *_SHAPE)


def plug(node: str, *, is_in: bool) -> None:
    """Put the node's cable in, or pull it out."""
    _run("ip", "-n", node, "link", "set", "eth0", "up" if is_in else "down")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
