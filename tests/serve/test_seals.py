"""A bundle against what its node had published: who rewrites a chain has the key and not the centre's memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.centre.eventstore import EventStore
from agent.centre.intake import read_message
from agent.cli.app import app
from agent.contract.events import SEAL
from agent.contract.records import SealData
from agent.contract.topics import NodeAddress
from agent.recording.records import Configured
from tests.recording.evidence import bundle, make_signer, record_and_seal
from tests.recording.ring import Ring
from tests.serve.test_eventstore import AT_NS, told

NODE = NodeAddress("org", "site", "n1")
SIGNER = make_signer()


@pytest.fixture
def published() -> list[SealData]:
    return []


@pytest.fixture
def made(tmp_path: Path, published: list[SealData]) -> Path:
    """A bundle of the node whose seals were published."""
    return recorded(tmp_path / "node", published)


def recorded(folder: Path, published: list[SealData], *, is_other_footage: bool = False) -> Path:
    ring = Ring(folder / "data")
    try:
        if is_other_footage:
            ring.clock.wrong_by_ns = 1_000_000_000
        ring.note(Configured(cameras=("c01",), timezone="Asia/Bangkok", org="org", site="site", node="n1"))
        record_and_seal(ring, SIGNER, tell=published.append)
        bundle(ring, folder / "bundle.zip", SIGNER)
    finally:
        ring.close()
    return folder / "bundle.zip"


def kept(folder: Path, seals: list[SealData]) -> Path:
    """A centre's folder in which these seals were stored as they came over the wire."""
    store = EventStore(folder)
    store.keep([read_message(*told(SEAL, seal, number + 1)) for number, seal in enumerate(seals)], AT_NS)
    store.close()
    return folder


def verify(path: Path, store: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["centre", "verify", str(path), "--store", str(store), *more])


def test_a_bundle_that_says_what_was_published_is_covered_by_it(
    tmp_path: Path, made: Path, published: list[SealData]
) -> None:
    done = verify(made, kept(tmp_path / "centre", published), "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["sound"], answer["findings"]) == (0, True, [])
    assert answer["seals"] == len(published) > 0
    assert answer["covered_to"] == answer["links"]


def test_links_after_the_last_seal_that_arrived_rest_on_the_signature(
    tmp_path: Path, made: Path, published: list[SealData]
) -> None:
    said = verify(made, kept(tmp_path / "centre", published[:1])).output
    assert "its own signature" in said or "newer links rest on the signature" in said


def test_a_chain_that_was_written_anew_is_found_though_the_nodes_key_signed_it(
    tmp_path: Path, made: Path, published: list[SealData]
) -> None:
    forged = recorded(tmp_path / "forged", [], is_other_footage=True)
    assert CliRunner().invoke(app, ["footage", "verify", str(forged)]).exit_code == 0, "sound by itself"
    done = verify(forged, kept(tmp_path / "centre", published))
    assert done.exit_code == 1
    assert "published another link" in done.output


def test_another_nodes_seals_say_nothing_of_it(tmp_path: Path, made: Path) -> None:
    done = verify(made, kept(tmp_path / "centre", []))
    assert done.exit_code == 0 and "only its own signature" in done.output


def test_a_folder_without_events_is_named(tmp_path: Path, made: Path) -> None:
    done = verify(made, tmp_path / "none")
    assert done.exit_code != 0 and "centre serve" in done.output


def test_a_bit_that_was_turned_is_found_here_too(tmp_path: Path, made: Path, published: list[SealData]) -> None:
    content = bytearray(made.read_bytes())
    content[len(content) // 2] ^= 1
    made.write_bytes(content)
    assert verify(made, kept(tmp_path / "centre", published)).exit_code == 1
