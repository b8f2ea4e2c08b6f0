"""No name leads a clip into the network of the cameras: seen in a network namespace with addresses of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The receiver is at 10.79.66.7.
SCRIPT = """
import socket, subprocess, threading
from agent.commands.ingest import camera_networks
from agent.commands.upload_line import Line, Patience, UploadPolicy
from agent.errors import UploadError
for words in ("link set lo up", "addr add 10.79.66.7/24 dev lo"):
    subprocess.run(["ip", *words.split()], check=True)
heard = []
with socket.create_server(("10.79.66.7", 0)) as server:
    def listen():
        near, _ = server.accept()
        with near:
            while data := near.recv(4096):
                heard.append(data)
    thread = threading.Thread(target=listen)
    thread.start()
    # Without TLS: what is told apart here is the address alone.
    policy = UploadPolicy(cameras=camera_networks(["{camera}"]))
    asking = Line(policy, Patience(attempts=1, answer_timeout_s=2.0), threading.Event())
    try:
        port = server.getsockname()[1]
        asking.ask(f"http://10.79.66.7:{{port}}/x", "PUT", {{"Content-Length": "4"}}, iter([b"clip"]))
        print("sent")
    except UploadError as exc:
        print(exc.facts["reason"])
    thread.join()
print(len(b"".join(heard)) > 0)
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="network namespaces need root")
@pytest.mark.parametrize(
    ("camera", "told"),
    [("rtsp://10.79.66.20/stream", ["address_not_allowed", "False"]), ("rtsp://10.79.67.20/stream", ["sent", "True"])],
    ids=["beside a camera", "elsewhere"],
)
def test_nothing_is_sent_to_an_address_beside_a_camera(camera: str, told: list[str]) -> None:
    argv = ["unshare", "--net", sys.executable, "-c", SCRIPT.format(camera=camera)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == told, done.stderr
