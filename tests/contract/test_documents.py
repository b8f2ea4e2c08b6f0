"""The documents that a centre is built against are what the types say, whole, and valid for a stranger's tools."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agent.cli.app import app
from agent.contract.catalogue import CHANNELS, KINDS, Way, way_of
from agent.contract.commands import CommandPayload, JwsHeader, decode_jws, decode_payload, from_base64url
from agent.contract.envelope import data_of, decode_envelope, position_of
from agent.contract.events import DATA_TYPES, LANES, type_word
from agent.contract.topics import TopicKind, parse_topic
from agent.contract.wire import decode
from agent.contract.yamltext import to_yaml

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
MESSAGES = DOCUMENT["components"]["messages"]
WORDS = {"place": "c01", "word": "incident", "name": "ping"}


def test_the_committed_documents_are_what_the_types_say(tmp_path: Path) -> None:
    (tmp_path / "samples.json").write_bytes((DOCS / "samples.json").read_bytes())
    result = CliRunner().invoke(app, ["contract", str(tmp_path)])
    assert result.exit_code == 0, result.output
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path: (DOCS / path).read_text() for path in made if (DOCS / path).is_file()}
    assert made == kept, "write them anew: wayside contract docs"
    assert {path.name for path in (DOCS / "schemas").iterdir()} == {f"{name}.json" for name in KINDS}


def test_every_topic_of_the_tree_stands_in_the_document() -> None:
    assert [channel.kind for channel in CHANNELS] == list(TopicKind)
    for channel, told in zip(CHANNELS, DOCUMENT["channels"].values(), strict=True):
        topic = re.sub(r"\{(\w+)\}", lambda found: WORDS.get(found[1], "x1"), told["address"])
        assert parse_topic(topic).kind is channel.kind
        assert set(told["parameters"]) == set(re.findall(r"\{(\w+)\}", told["address"]))


def test_every_event_that_travels_stands_in_the_document() -> None:
    told = set(DOCUMENT["channels"]["evt"]["messages"])
    assert told == {name for name in DATA_TYPES if type_word(name) in LANES}


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    for reference in set(re.findall(r'"(#/[^"]+)"', text)):
        place: object = DOCUMENT
        for word in reference[2:].split("/"):
            assert isinstance(place, dict) and word in place, reference
            place = place[word]


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_agent_itself_reads_the_documents_examples(name: str) -> None:
    for example in MESSAGES[name].get("examples", []):
        payload = json.dumps(example["payload"]).encode()
        if name in DATA_TYPES:
            event = decode_envelope(payload)
            position_of(event)
            data_of(event)
        elif "x-signed" in MESSAGES[name]:
            jws = decode_jws(payload)
            assert json.loads(from_base64url(jws.payload)) == MESSAGES[name]["x-signed"]["example"]
            decode(from_base64url(jws.signatures[0].protected), JwsHeader)
            if name != "desired":
                command: CommandPayload = decode_payload(jws)
                decode(command.args, KINDS[f"{command.name}.args"])
        elif name.endswith(".answer"):
            answer = decode(payload, KINDS["answer"])
            decode(json.dumps(example["payload"]["result"]).encode(), KINDS[f"{answer.name}.result"])
        else:
            decode(payload, KINDS[name])


def test_only_what_goes_down_forbids_what_it_does_not_know() -> None:
    for name in KINDS:
        schema = json.loads((DOCS / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
        is_strict = schema.get("additionalProperties") is False
        assert is_strict is (way_of(name) is Way.DOWN), name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text() | st.sampled_from(["on", "null", "a b", "1", "$ref", "-"]), JSON, max_size=4))
def test_yaml_says_what_was_written(document: dict[str, object]) -> None:
    text = to_yaml(document)
    if re.search(r"[\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff\u2028\u2029]", text):
        return  # PyYAML admits no such characters unescaped, and the contract has none.
    assert yaml.safe_load(text) == document if document else text


@pytest.mark.skipif("ASYNCAPI_PARSER" not in os.environ, reason="ASYNCAPI_PARSER: a folder with npm's @asyncapi/parser")
def test_asyncapis_own_parser_finds_no_fault() -> None:
    script = Path(__file__).parent / "asyncapi_parser.mjs"
    command = ["node", "--input-type=module", "-", str(DOCS / "asyncapi.yaml")]
    result = subprocess.run(
        command, cwd=os.environ["ASYNCAPI_PARSER"], input=script.read_bytes(), capture_output=True, check=False
    )
    assert result.returncode == 0, (result.stdout + result.stderr).decode()
