"""Clips into an object store: one PUT to an address that was signed beforehand, over lines that break."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.commands.upload import Patience, Upload, UploadPolicy, upload_put
from agent.contract.commands import AnswerState
from tests.broker import wait_until
from tests.commands.desk import Node
from tests.commands.test_clip_jobs import interrupted, leftovers, readdress, result_of
from tests.rigs.s3 import Store, s3_store
from tests.upload.test_upload import cutting

OPEN = UploadPolicy(allow_loopback_http=True)
_BYTES = 30_000_000
_QUICK = Patience(attempts=5, first_wait_s=0.05, longest_wait_s=0.2, answer_timeout_s=20.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with s3_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> Upload:
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(_BYTES))
    return Upload(path, hashlib.sha256(path.read_bytes()).hexdigest(), "")


def carried(clip: Upload, url: str) -> None:
    upload_put(Upload(clip.path, clip.sha256, url), OPEN, stop=threading.Event(), patience=_QUICK)


def test_a_clip_of_thirty_megabytes_is_in_the_store_byte_for_byte(store: Store, clip: Upload) -> None:
    carried(clip, store.put_address("whole"))
    assert store.sha256("whole") == clip.sha256


def test_a_line_cut_twice_begins_again_and_leaves_no_half_of_it(store: Store, clip: Upload) -> None:
    """The proxy's own address is what was signed: the host is part of the signature."""
    with cutting(store.url, [1_000_000, 20_000_000]) as line:
        address = Store(line).put_address("cut").replace(store.url, line)
        carried(clip, address)
    assert store.sha256("cut") == clip.sha256


def test_a_node_that_restarts_sends_what_it_had_cut(store: Store, tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    try:
        command = node.command("clip.export")
        interrupted(node, command)
        assert len(leftovers(node)) == 1
        readdress(node, command, store.put_address("restarted"), method="put")
        node.restart()
        with node.running():
            wait_until(lambda: bool(node.finals(command)), "the export was not taken up")
        final = node.final(command)
        assert final.state is AnswerState.SUCCEEDED
        assert store.sha256("restarted") == result_of(final).files[0].sha256
        assert leftovers(node) == []
    finally:
        node.close()
