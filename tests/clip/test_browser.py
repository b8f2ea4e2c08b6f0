"""A clip plays where staff will look at it: in Chromium, with its true length."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.media.faststart import remux_faststart
from agent.recording.cut import plan_clip
from agent.recording.exporter import export_clip
from agent.units import NS_PER_S, WallSpan
from tests.clip.footage import START_NS, Film, Where, record

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
PAGE = "<!doctype html><video id=v muted preload=auto src=clip.mp4></video>"
TIMEOUT_MS = 20_000


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


@pytest.mark.parametrize(
    ("kind", "form"), [("film", "native"), ("film_with_b_frames", "native"), ("film_with_b_frames", "faststart")]
)
def test_chromium_knows_the_length_of_a_clip_plays_it_and_holds_the_picture_over_a_gap(
    kind: str, form: str, data_dir: Path, tmp_path: Path, site: str, request: pytest.FixtureRequest
) -> None:
    film: Film = request.getfixturevalue(kind)
    # The gap begins after the first GOP, so that playback reaches it soon; it lasts 2 s.
    segments = [
        record(data_dir, film, gops=slice(0, 1)),
        record(data_dir, film, gops=slice(1, 4), where=Where(run=2), start_ns=START_NS + 2 * NS_PER_S),
    ]
    end = segments[1].scan.span
    first = segments[0].scan.span
    assert end is not None and first is not None
    plan = plan_clip("c01", segments, WallSpan(START_NS, end.end_ns))
    assert plan.is_partial
    (file,) = export_clip(plan, data_dir, tmp_path / "clip.mp4")
    if form == "faststart":
        remux_faststart(file.path, tmp_path / "copy.mp4", file.sha256).path.replace(file.path)
    (tmp_path / "page.html").write_text(PAGE)
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        page = browser.new_page()
        page.goto(site)
        page.wait_for_function("v.readyState >= 1 || v.error", timeout=TIMEOUT_MS)
        assert page.evaluate("v.error && v.error.message") is None
        assert page.evaluate("v.duration") == pytest.approx((end.end_ns - START_NS) / NS_PER_S, abs=0.1)
        page.evaluate("v.play()")
        page.wait_for_function("v.currentTime > 0.5", timeout=TIMEOUT_MS)
        gap_ends_s = (first.end_ns - START_NS) / NS_PER_S + 2
        page.wait_for_function(f"v.currentTime > {gap_ends_s + 0.3} || v.ended", timeout=TIMEOUT_MS)
        assert page.evaluate("v.error && v.error.message") is None
        assert page.evaluate("v.getVideoPlaybackQuality().totalVideoFrames") > len(film.gops()[0])
        browser.close()
