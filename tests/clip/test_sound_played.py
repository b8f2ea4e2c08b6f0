"""A clip with sound, out of segments as the recorder made them: in Chromium, and in the evidence of a case."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from agent.recording.bundle import BundleRequest, make_bundle
from agent.recording.bundle_check import check_bundle
from agent.recording.bundle_file import FindingKind
from agent.recording.clipfile import verify_clip
from agent.recording.cut import ClipPlan, RecordedSegment, plan_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.recovery import differences, recover
from agent.recording.segment import SegmentName
from agent.store import open_store
from agent.units import NS_PER_S, WallSpan
from tests.recorder.playback import Ring
from tests.recording.evidence import unpack
from tests.rigs.flashes import FlashSettings, make_flashes, measure
from tests.rigs.sounding import Played, play_with_sound

LIMIT_MS = 40.0
CHROMIUM = shutil.which("chromium")
PAGE = "<!doctype html><video id=v preload=auto src=clip.mp4></video>"
TIMEOUT_MS = 20_000


@pytest.fixture(params=["aac", "pcm_mulaw"])
def ring(request: pytest.FixtureRequest, tmp_path: Path) -> Ring:
    """Nine seconds in three segments; the sound comes 0.3 s after its pictures."""
    rate_hz = 48_000 if request.param == "aac" else 8_000
    film = make_flashes(tmp_path, FlashSettings(codec=request.param, rate_hz=rate_hz, seconds=9))
    made = Ring(tmp_path / "data", segment_s=3)
    play_with_sound(made, film, Played(300))
    return made


def plan(ring: Ring, begin_s: float, end_s: float, *, shift_ns: int = 0) -> ClipPlan:
    """Of the ring, seconds from its first picture; `shift_ns`: by so much its labels are set right."""
    names = [SegmentName.parse(PurePosixPath(closed.path)) for closed in ring.closes]
    found = [read_segment(ring.data_dir, name, shift_ns=shift_ns) for name in names if name is not None]
    segments = [each for each in found if isinstance(each, RecordedSegment)]
    begin_ns = ring.closes[0].start_wall_ns + shift_ns
    span = WallSpan(begin_ns + int(begin_s * NS_PER_S), begin_ns + int(end_s * NS_PER_S))
    return plan_clip("c01", segments, span)


@pytest.mark.parametrize(("begin_s", "end_s"), [(0.0, 8.5), (2.2, 6.9), (3.0, 5.0), (5.9, 8.0)])
def test_beeps_are_heard_with_their_flashes_over_the_borders_of_segments(
    ring: Ring, tmp_path: Path, begin_s: float, end_s: float
) -> None:
    (made,) = export_clip(plan(ring, begin_s, end_s), ring.data_dir, tmp_path / "clip.mp4")
    verify_clip(made.path, made.sha256)
    heard = measure(Path(made.path))
    # A clip begins at an IDR; the beep of its last second may have come when it was over.
    assert len(heard.offsets_ms) >= int(end_s) - int(begin_s) - 1
    assert heard.worst_ms <= LIMIT_MS


def test_labels_that_were_set_right_take_the_sound_along(ring: Ring, tmp_path: Path) -> None:
    (made,) = export_clip(plan(ring, 2.5, 7, shift_ns=7 * 3600 * NS_PER_S), ring.data_dir, tmp_path / "clip.mp4")
    facts = verify_clip(made.path, made.sha256)
    heard = measure(Path(made.path))
    assert facts.start_wall_ns - ring.closes[0].start_wall_ns > 7 * 3600 * NS_PER_S
    assert heard.offsets_ms
    assert heard.worst_ms <= LIMIT_MS


def test_an_index_that_was_lost_is_rebuilt_from_segments_with_sound_and_a_bundle_of_them_holds(
    ring: Ring, tmp_path: Path
) -> None:
    for closed in ring.closes:
        # What is younger than 10 s may have a writer that has not locked it yet (agent.recording.repair).
        os.utime(ring.data_dir / closed.path, (0, 0))
    recover(ring.data_dir)
    conn = open_store(ring.data_dir)
    try:
        assert differences(conn, ring.data_dir) == []
        begin_ns = ring.closes[0].start_wall_ns
        request = BundleRequest(
            "c01", WallSpan(begin_ns + NS_PER_S, begin_ns + 7 * NS_PER_S), "mali", purpose="accident", case_ref="1/2569"
        )
        made = make_bundle(conn, ring.data_dir, request, tmp_path / "b.zip", signer=None, now_wall_ns=begin_ns + 10**11)
    finally:
        conn.close()
    assert {each.kind for each in check_bundle(made.path).findings} == {FindingKind.UNSIGNED}
    files = unpack(made.path)
    native = {name: data for name, data in files.items() if name.startswith("native/")}
    assert sorted(native.values()) == sorted((ring.data_dir / closed.path).read_bytes() for closed in ring.closes)
    (view,) = (data for name, data in files.items() if name.startswith("view/") and name.endswith(".mp4"))
    (tmp_path / "view.mp4").write_bytes(view)
    assert measure(tmp_path / "view.mp4").offsets_ms
    assert measure(tmp_path / "view.mp4").worst_ms <= LIMIT_MS


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/page.html"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("ring", ["pcm_mulaw"], indirect=True)
def test_chromium_plays_pictures_and_sound_to_the_end(ring: Ring, tmp_path: Path, site: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    export_clip(plan(ring, 2.2, 4.9), ring.data_dir, tmp_path / "clip.mp4")
    (tmp_path / "page.html").write_text(PAGE)
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
        )
        page = browser.new_page()
        page.goto(site)
        page.wait_for_function("v.readyState >= 1 || v.error", timeout=TIMEOUT_MS)
        assert page.evaluate("v.error && v.error.message") is None
        assert page.evaluate("v.duration") == pytest.approx(3.0, abs=0.1)
        page.evaluate("v.play()")
        page.wait_for_function("v.ended || v.error", timeout=TIMEOUT_MS)
        assert page.evaluate("v.error && v.error.message") is None
        assert page.evaluate("v.webkitAudioDecodedByteCount") > 0
        assert page.evaluate("v.getVideoPlaybackQuality().totalVideoFrames") > 50
        browser.close()
