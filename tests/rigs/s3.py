"""moto's S3 on loopback, with addresses that are signed beforehand: what any S3-compatible store gives a centre.

moto brings a few dozen packages, so it lives in a folder of its own beside the other rigs, and its processes alone see
it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import LOOPBACK, unused_port, wait_until

VERSION = "5.2.5"
FOLDER = Path.home() / ".cache" / "wayside-tools" / f"moto-{VERSION}"
_PACKAGES = (f"moto[s3]=={VERSION}", "flask", "flask-cors")
_HOLD_S = 300
_SIGN = """
import sys, boto3
endpoint, operation, key = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                      aws_access_key_id="id", aws_secret_access_key="secret")
if operation == "put_object":
    client.create_bucket(Bucket="clips")
kind = {"ContentType": "video/mp4"} if operation == "put_object" else {}
print(client.generate_presigned_url(operation, Params={"Bucket": "clips", "Key": key, **kind}, ExpiresIn=600))
"""


@dataclass(frozen=True, slots=True)
class Store:
    """`url` is where it listens."""

    url: str

    def put_address(self, key: str) -> str:
        """One that is good for one object and ten minutes."""
        return self._sign("put_object", key)

    def sha256(self, key: str) -> str:
        """Of an object that is there, in hex; else nothing."""
        try:
            with urllib.request.urlopen(self._sign("get_object", key), timeout=10) as answer:
                return hashlib.sha256(answer.read()).hexdigest()
        except urllib.error.HTTPError:
            return ""

    def _sign(self, operation: str, key: str) -> str:
        argv = [sys.executable, "-c", _SIGN, self.url, operation, key]
        done = subprocess.run(argv, env=_environment(), capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()


@contextmanager
def s3_store(folder: Path) -> Iterator[Store]:
    """Empty; gone with the block."""
    _install()
    port = unused_port()
    argv = ["timeout", str(_HOLD_S), sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)]
    log = folder / "s3.log"
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, env=_environment())
    try:
        wait_until(lambda: "Running on" in log.read_text(), "moto did not start", limit_s=60)
        yield Store(f"http://{LOOPBACK}:{port}")
    finally:
        process.terminate()
        process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(FOLDER)}


def _install() -> None:
    if (FOLDER / "moto").is_dir():
        return
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(FOLDER), *_PACKAGES]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"moto cannot be installed: {done.stderr[-500:]}")
