"""Arguments that somebody made up: every command gets one answer, nothing crashes, and no file leaves its folder."""

from __future__ import annotations

import string
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from agent.cli.footage import app
from agent.commands.arguments import refuse_arguments
from agent.commands.upload_line import Line, Patience, UploadPolicy, check_target
from agent.contract.commands import AnswerState, CommandName
from agent.contract.requests import ARGS_TYPES, ClipCancelArgs, ClipExportArgs, ClipPlanArgs, SheetArgs
from agent.contract.wire import ID_PATTERN
from agent.errors import UploadError
from agent.units import parse_span
from tests.commands.desk import Node, at

FOOTAGE = (CommandName.CLIP_PLAN, CommandName.CLIP_EXPORT, CommandName.CLIP_CANCEL, CommandName.SHEET)
UUID = "01939f3e-8a5b-7c3d-9e1f-0123456789ab"
PATHS = st.sampled_from(
    [
        "../c01",
        "/etc/passwd",
        "c01/../../x",
        "c01\x00",
        "..",
        ".",
        "",
        "C01",
        "c01\n",
        "~root",
        "%2e%2e",
        "c" * 33,
        "กล้อง",
    ]
)
TIMES = st.one_of(
    st.sampled_from(
        [at(0), at(4), at(-5), "2569-11-22T14:03:00Z", "2026-11-22T14:03:00", "2026-02-30T00:00:00Z", "now", "9" * 40]
    ),
    st.datetimes().map(lambda when: when.isoformat() + "Z"),
    st.text(max_size=45),
    st.from_regex(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", fullmatch=True),
)
URLS = st.one_of(
    st.sampled_from(
        [
            "http://127.0.0.1:1/x",
            "https://evil.example/x",
            "file:///etc/passwd",
            "http://[::1",
            "https://a@b/c",
            "http://",
        ]
    ),
    st.text(max_size=60).map(lambda text: f"http://{text}"),
    st.text(max_size=30),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ARGS = st.fixed_dictionaries(
    {"camera": st.one_of(st.just("c01"), PATHS, JSON), "from": st.one_of(TIMES, JSON), "to": st.one_of(TIMES, JSON)},
    optional={
        "upload_url": st.one_of(URLS, JSON),
        "upload_method": st.one_of(st.sampled_from(["put", "tus", "ftp"]), JSON),
        "more_upload_urls": st.one_of(st.lists(URLS, max_size=3), JSON),
        "upload_expires": st.one_of(TIMES, JSON),
        "hold_days": st.one_of(st.integers(-5, 10**20), JSON),
        "stills": st.one_of(st.integers(-5, 10**20), JSON),
        "jti": st.one_of(st.just(UUID), PATHS, JSON),
        "day": JSON,
    },
)
CANCELS = st.fixed_dictionaries({"jti": st.one_of(st.just(UUID), PATHS, st.text(max_size=60), JSON)})


def raw(value: object) -> msgspec.Raw:
    # Python's own encoder writes lone surrogates; msgspec's refuses them, and neither is a message then.
    return msgspec.Raw(msgspec.json.encode(value))


def encodable(value: object) -> bool:
    try:
        raw(value)
    except (UnicodeEncodeError, OverflowError):
        return False
    return True


@given(name=st.sampled_from(FOOTAGE), value=st.one_of(ARGS.filter(encodable), CANCELS.filter(encodable)))
@settings(max_examples=400, deadline=None)
def test_arguments_are_refused_with_a_reason_or_fit_what_may_be_done(name: CommandName, value: object) -> None:
    refusal = refuse_arguments(name, raw(value))
    if refusal is not None:
        assert refusal.reason in ("bad_time", "bad_arguments", "span_too_long")
        assert refusal.message
        return
    args = msgspec.json.decode(raw(value), type=ARGS_TYPES[name])
    if isinstance(args, ClipCancelArgs):
        assert set(args.jti) <= set("0123456789abcdef-")
        return
    assert isinstance(args, ClipPlanArgs | ClipExportArgs | SheetArgs)
    assert msgspec.convert(args.camera, str) and "/" not in args.camera and "." not in args.camera
    assert 0 < parse_span(args.start, args.end).duration_s <= 25 * 3600


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_arguments_that_are_not_even_json_are_refused(data: bytes) -> None:
    for name in FOOTAGE:
        assert refuse_arguments(name, msgspec.Raw(data)) is not None


def test_the_ids_that_become_paths_have_no_room_for_a_way_out() -> None:
    assert not set("./\\~%\x00\n") & set(ID_PATTERN.split("]")[0].lstrip("^["))


@pytest.fixture
def watched(node: Node) -> Iterator[Node]:
    """Whatever is asked: beside the node's folder nothing appears or goes."""
    around = node.facts.data_dir.parent
    before = {path for path in around.rglob("*") if node.facts.data_dir not in path.parents}
    yield node
    assert {path for path in around.rglob("*") if node.facts.data_dir not in path.parents} == before


@given(name=st.sampled_from(FOOTAGE), value=ARGS.filter(encodable))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_each_made_up_command_gets_one_final_answer_or_waits_its_turn(
    watched: Node, name: CommandName, value: object
) -> None:
    command = watched.command(name.value, msgspec.json.decode(raw(value)))
    watched.receive(command)
    finals = watched.finals(command)
    is_waiting = name in (CommandName.CLIP_EXPORT, CommandName.SHEET) and watched.states(command) == [
        AnswerState.ACCEPTED
    ]
    assert len(finals) == (0 if is_waiting else 1)


@given(url=st.one_of(URLS, st.text(max_size=40).map(lambda text: f"http://127.0.0.1:1/{text}")))
@settings(max_examples=400, deadline=None)
def test_an_address_is_refused_or_can_stand_in_a_request(url: str) -> None:
    policy = UploadPolicy(hosts=("127.0.0.1",), allow_loopback_http=True)
    try:
        check_target(url, policy)
    except UploadError as exc:
        assert exc.facts["reason"] in ("malformed_address", "not_https", "host_not_allowed")
        return
    line = Line(policy, Patience(answer_timeout_s=1), threading.Event())
    # Nobody listens there: no answer, and nothing raised.
    assert line.ask(url, "HEAD", {}, None) is None


@given(
    command=st.sampled_from(["export", "sheet", "list", "gaps"]),
    camera=st.one_of(st.just("c01"), PATHS, st.text(string.printable, max_size=12)),
    start=TIMES,
    end=TIMES,
    name=st.one_of(st.just("out.mp4"), PATHS.filter(lambda text: "\x00" not in text)),
    day=st.one_of(st.just("2026-11-22"), st.text(string.printable, max_size=12), st.dates().map(str)),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_the_command_line_ends_in_words_and_an_exit_code(
    node: Node, tmp_path: Path, *, command: str, camera: str, start: str, end: str, name: str, day: str
) -> None:
    out = tmp_path / "here"
    out.mkdir(exist_ok=True)
    arguments = [command, "--data", str(node.facts.data_dir), f"--camera={camera}"]
    if command in ("list", "gaps"):
        arguments.append(f"--day={day}")
    else:
        # A person names the place: any is theirs to name, and one that cannot be written is said.
        arguments += [f"--from={start}", f"--to={end}", f"--out={out / Path(name.lstrip('/~.')).name}"]
    before = set((node.facts.data_dir / "footage").iterdir())
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1, 2, 3)
    assert "Traceback" not in result.output
    assert set((node.facts.data_dir / "footage").iterdir()) == before
