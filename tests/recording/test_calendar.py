"""The calendar of a node: bars, a picture and JSON that agree, and lengths that add up to the day."""

from __future__ import annotations

import json
import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from agent.cli.footage import app
from agent.contract.events import IncidentKind
from agent.drawing.daybar import draw_day
from agent.drawing.daysort import Sort, Stretch, columns, hours, stretches
from agent.drawing.daysvg import day_svg
from agent.recording.calendar import calendar
from agent.recording.cameraday import Calendar
from agent.units import WallSpan, day_span
from tests.recording.days import at, busy_day, footage, incident, serve
from tests.recording.ring import Ring, S

DAY = date(2026, 11, 22)


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env={"COLUMNS": "100", **environment}).invoke(app, [str(each) for each in arguments])


@pytest.fixture
def busy(ring: Ring) -> Ring:
    busy_day(ring, DAY)
    return ring


def read(ring: Ring, day: date = DAY, now: str = "23:59") -> Calendar:
    return calendar(ring.conn, ring.data_dir, ["c01", "c02"], day, at(day, now))


def text(found: Calendar, width: int = 100, *, is_ascii: bool = False) -> list[str]:
    return ["".join(piece.text for piece in line) for line in draw_day(found, width, is_ascii=is_ascii)]


@pytest.mark.parametrize(
    ("day", "zone", "length_h"),
    [
        (date(2026, 11, 22), "Asia/Bangkok", 24),
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
    ],
)
def test_footage_and_gaps_add_up_to_the_day_however_long_it_is(
    ring: Ring, day: date, zone: str, length_h: float
) -> None:
    whole = day_span(day, ZoneInfo(zone))
    serve(ring, day, zone=zone, cameras=("c01",))
    footage(ring, "c01", 1, WallSpan(whole.start_ns + 3600 * S + 1, whole.end_ns - 7200 * S + 3))
    result = run("list", "--data", ring.data_dir, "--day", str(day), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    (camera,) = told["cameras"]
    assert told["seconds"] == length_h * 3600
    assert camera["recorded_s"] == (length_h - 3) * 3600
    assert camera["recorded_s"] + sum(gap["seconds"] for gap in camera["gaps"]) == pytest.approx(told["seconds"])
    lines = text(calendar(ring.conn, ring.data_dir, ["c01"], day, whole.end_ns))
    hour, minute = int(length_h), int(length_h % 1 * 60)
    assert f"{hour}:{minute:02d}:00.000" in next(line for line in lines if line.startswith("the day"))


def test_the_hour_that_comes_twice_is_shown_twice_and_the_one_left_out_is_not(ring: Ring) -> None:
    labels: list[list[int]] = []
    for day in (date(2026, 10, 25), date(2026, 3, 29)):
        zone = ZoneInfo("Europe/Berlin")
        labels.append([each.hour for each in hours(Calendar(day, zone, day_span(day, zone), (), 0), 1)])
    assert labels[0][:5] == [0, 1, 2, 2, 3]
    assert labels[1][:4] == [0, 1, 3, 4]


def test_a_bar_shows_footage_gaps_of_each_sort_and_incidents_where_they_were(busy: Ring) -> None:
    lines = text(read(busy), 5 + 1 + 144, is_ascii=False)
    bar = next(line for line in lines if line.startswith("c01"))
    assert len(bar) == 4 + 1 + 144 + 1
    cells = bar[5:-1]  # ten minutes each
    assert cells[: 3 * 6].strip() == ""
    assert cells[3 * 6] == "█"
    assert cells[7 * 6 + 4] == "▒"
    assert cells[14 * 6] == "▒", "a stall of 42 s is not lost in ten minutes of footage"
    assert cells[19 * 6 : 20 * 6] == "╳" * 6
    marks = lines[lines.index(bar) + 1][5:]
    assert marks[8 * 6 + 3] == "▲"
    assert marks[14 * 6] == "2"
    other = next(line for line in lines if line.startswith("c02"))[5:-1]
    assert other[9 * 6 : 9 * 6 + 3] == "???"
    assert other[12 * 6 : 13 * 6] == "─" * 6
    said = "\n".join(lines)
    assert "14:03:02 – 14:20:00  c01  crash_suspected: two vehicles met and stand" in said
    assert "23:10:00 – still open" in said


@pytest.mark.parametrize("width", [20, 40, 80, 132, 300])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_no_line_is_longer_than_the_terminal(busy: Ring, width: int, is_ascii: bool) -> None:
    lines = text(read(busy), width, is_ascii=is_ascii)
    assert max(map(len, lines[1:])) <= max(width, 40)
    if is_ascii:
        assert "".join(lines).isascii()


def test_no_color_no_pipe_and_no_utf8_are_respected(busy: Ring) -> None:
    arguments = ("list", "--data", busy.data_dir, "--day", str(DAY))
    for result in (run(*arguments), run(*arguments, NO_COLOR="1"), run(*arguments, "--ascii")):
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.output
    assert run(*arguments, "--ascii").output.isascii()
    latin = CliRunner(charset="latin-1", env={"COLUMNS": "60"}).invoke(app, [str(each) for each in arguments])
    assert latin.exit_code == 0
    assert latin.stdout_bytes.isascii()


def test_the_picture_is_sound_and_says_what_the_bars_say(busy: Ring, tmp_path: Path) -> None:
    out = tmp_path / "day.svg"
    result = run("list", "--data", busy.data_dir, "--day", str(DAY), "--svg", out)
    assert result.exit_code == 0, result.output
    root = ElementTree.parse(out).getroot()
    titles = " ".join(each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title"))
    for words in ("camera stalled  0:00:42", "crash suspected", "cause unknown", "held", "no route to host"):
        assert words in titles
    assert "Sunday, 22 November 2026" in out.read_text()


def test_what_people_wrote_cannot_break_the_picture(ring: Ring) -> None:
    serve(ring, DAY, cameras=("c01",))
    span = WallSpan(at(DAY, "08:00"), at(DAY, "08:01"))
    incident(ring, "c01", span, IncidentKind.FIRE, "<script>", "</title><script>alert(1)</script> & more")
    root = ElementTree.fromstring(day_svg(calendar(ring.conn, ring.data_dir, ["c01"], DAY, at(DAY, "09:00"))))
    assert not [each for each in root.iter() if each.tag.endswith("script")]


def test_a_day_that_no_clock_can_show_is_refused(busy: Ring) -> None:
    for day in ("0001-01-01", "1970-01-01", "2263-01-01", "00011001", "2026-W47-7", "today!"):
        assert run("list", "--data", busy.data_dir, "--day", day).exit_code == 2, day


def test_only_the_asked_camera_is_drawn_and_an_unknown_one_is_refused(busy: Ring) -> None:
    result = run("list", "--data", busy.data_dir, "--day", str(DAY), "--camera", "c02")
    assert re.search(r"^c02 ", result.output, re.M)
    assert not re.search(r"^c01 ", result.output, re.M)
    assert run("list", "--data", busy.data_dir, "--day", str(DAY), "--camera", "c09").exit_code == 2
    assert run("list", "--data", busy.data_dir, "--svg", "x.svg").exit_code == 2
    assert run("list", "--data", busy.data_dir, "--day", "2569-11-22").exit_code == 2


@given(
    cuts=st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from(Sort)), min_size=1, max_size=40),
    count=st.integers(1, 300),
)
def test_no_stretch_is_ever_lost_in_the_columns(cuts: list[tuple[int, Sort]], count: int) -> None:
    parts: list[Stretch] = []
    at_ns = 0
    for length, sort in cuts:
        parts.append(Stretch(WallSpan(at_ns, at_ns + length), sort))
        at_ns += length
    whole = WallSpan(0, at_ns)
    sorts = columns(parts, whole, count)
    assert len(sorts) == count
    if at_ns < count:
        return  # columns of less than a nanosecond
    for part in parts:
        first, last = part.span.start_ns * count // at_ns, (part.span.end_ns - 1) * count // at_ns
        order = list(Sort)
        for each in sorts[first : last + 1]:
            assert each is Sort.PART or order.index(each) >= order.index(part.sort)


def test_the_stretches_of_a_day_fill_it_without_overlap(busy: Ring) -> None:
    found = read(busy)
    for day in found.cameras:
        parts = stretches(day)
        assert parts[0].span.start_ns == found.span.start_ns
        assert parts[-1].span.end_ns == found.span.end_ns
        assert all(one.span.end_ns == two.span.start_ns for one, two in pairwise(parts))
