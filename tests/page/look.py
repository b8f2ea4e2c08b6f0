"""What can be wrong with a page as it stands: for a thumb, for eyes in the sun, for a screen reader."""

from __future__ import annotations

import re

from tests.rigs import axe
from tests.rigs.browser import WIDTH_PX, Phone

# Issue 3 asks for 44; the page's own aim is 48 (Material) on both axes, except for links within a sentence.
SMALLEST_PX = 44
# A text without a sentence shows its key.
_KEY = re.compile(r"[a-z_]+\.[a-z_.]*[a-z_]")
_SMALL = """
[...document.querySelectorAll("a, button, summary, select, input, textarea, label.primary, label.choose")]
  .filter((each) => each.type !== "hidden" && each.offsetParent !== null && !each.classList.contains("skip"))
  .filter((each) => !each.closest("p") && !each.parentElement.closest("label"))
  .map((each) => [each.tagName + "#" + each.id + "." + each.className, each.getBoundingClientRect()])
  .filter(([, box]) => box.height > 0 && (box.height < %d || box.width < %d))
  .map(([name, box]) => `${name} ${Math.round(box.width)}x${Math.round(box.height)}`)
"""


def faults(held: Phone, axe_script: str) -> list[str]:
    """What is wrong with the page as it stands."""
    graves = [f"{each.rule}: {each.where}" for each in axe.findings(held, axe_script) if each.impact in axe.GRAVE]
    small = [f"small: {each}" for each in held.evaluate(_SMALL % (SMALLEST_PX, SMALLEST_PX))]
    width = held.evaluate("document.documentElement.scrollWidth")
    wide = [f"{width} px wide"] if width > WIDTH_PX else []
    unsaid = [word for word in held.page.inner_text("body").split() if _KEY.fullmatch(word)]
    return [f"{held.path}: {each}" for each in (*graves, *small, *wide, *unsaid)]
