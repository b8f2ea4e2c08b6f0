"""A phone: headless Chromium, 360 x 780 points, touched and not clicked, that counts how often."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUM: Final = shutil.which("chromium")
WIDTH_PX: Final = 360
HEIGHT_PX: Final = 780
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Two cores, a dozen processes beside the browser.
_TIMEOUT_MS: Final = 20_000


class Phone:
    """One page in one browser. `taps` counts touches; typing is not one, choosing a file is. `told`: what the console
    complained of, as of a script that failed or that the page's policy refused."""

    def __init__(self, page: Page, folder: Path | None, told: list[str]) -> None:
        self.page = page
        self.taps = 0
        self.examine: Callable[[Phone], object] = lambda _phone: None
        self.told = told
        self._folder = folder

    def open(self, url: str) -> None:
        self.page.goto(url)

    def tap(self, target: Locator | str) -> None:
        self.taps += 1
        self._found(target).tap()

    def type(self, target: Locator | str, text: str) -> None:
        """Tap the field and type."""
        self.taps += 1
        self._found(target).fill(text)

    def choose_file(self, button: Locator | str, file: Path) -> None:
        """The phone's own file chooser costs a tap on the button and one on the file."""
        with self.page.expect_file_chooser() as chooser:
            self.tap(button)
        self.taps += 1
        chooser.value.set_files(file)

    def primary(self) -> None:
        """Tap the one big action at the bottom."""
        self.tap(self.page.locator(".action .primary").locator("visible=true"))

    def shoot(self, name: str) -> None:
        """A screenshot into $WAYSIDE_SCREENSHOTS where that is set, and a look at the page by `examine`."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            # A form that is under way shows the next page in a moment.
            self.page.locator("button.busy").wait_for(state="detached")
            self.page.screenshot(path=self._folder / f"{name}.png")
        self.examine(self)

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever the page says
        """By the browser's own debugger: the page's policy, which forbids foreign scripts, does not bind it."""
        session = self.page.context.new_cdp_session(self.page)
        try:
            wanted = {"expression": expression, "awaitPromise": True, "returnByValue": True}
            answer = session.send("Runtime.evaluate", wanted)
        finally:
            session.detach()
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    @property
    def path(self) -> str:
        return "/" + self.page.url.split("/", 3)[-1].partition("?")[0]

    def _found(self, target: Locator | str) -> Locator:
        return self.page.locator(target) if isinstance(target, str) else target


@contextmanager
def phone(*, language: str = "th", arguments: Sequence[str] = ()) -> Iterator[Phone]:
    """`arguments` are further ones of Chromium's. Skips the test where there is no Chromium or no playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    shots = os.environ.get("WAYSIDE_SCREENSHOTS")
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=[*_ARGUMENTS, *arguments])
        context = browser.new_context(
            viewport={"width": WIDTH_PX, "height": HEIGHT_PX},
            device_scale_factor=2 if shots else 1,
            has_touch=True,
            is_mobile=True,
            ignore_https_errors=True,
            accept_downloads=True,
            locale="th-TH" if language == "th" else "en-GB",
        )
        page = context.new_page()
        page.set_default_timeout(_TIMEOUT_MS)
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        try:
            yield Phone(page, Path(shots) / language if shots else None, told)
        finally:
            browser.close()
