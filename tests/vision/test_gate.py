"""When the detector runs."""

from __future__ import annotations

import pytest

from agent.units import NS_PER_S
from agent.vision.gate import Evidence, should_detect


def _ns(at_s: float | None) -> int | None:
    return None if at_s is None else round(at_s * NS_PER_S)


@pytest.mark.parametrize(
    ("now_s", "moved_s", "detected_s", "has_tracks", "runs"),
    [
        (0.0, None, None, False, True),
        (100.0, 100.0, 99.8, False, True),
        (100.0, 98.1, 99.8, False, True),
        (100.0, 97.9, 99.8, False, False),
        (100.0, None, 99.8, True, False),
        (100.0, None, 99.5, True, True),
        (100.0, 50.0, 99.4, True, True),
        (100.0, None, 99.0, False, False),
        (100.0, None, 95.1, False, False),
        (100.0, None, 95.0, False, True),
    ],
    ids=[
        "the first frame is always looked at",
        "something moves",
        "motion paused a moment ago",
        "motion ended long ago",
        "what stands is not looked at on every frame",
        "what stands is looked at twice a second",
        "and so it stays after it stopped",
        "an empty, still scene is left alone",
        "almost long enough",
        "an idle look now and then",
    ],
)
def test_the_detector_runs(
    now_s: float, moved_s: float | None, detected_s: float | None, has_tracks: bool, runs: bool
) -> None:
    evidence = Evidence(round(now_s * NS_PER_S), _ns(moved_s), _ns(detected_s), has_tracks)
    assert should_detect(evidence) is runs


def test_over_a_still_minute_with_a_loiterer_the_detector_runs_twice_a_second() -> None:
    detected_ns, runs = 0, 0
    for frame in range(1, 301):
        now_ns = frame * NS_PER_S // 5
        if should_detect(Evidence(now_ns, None, detected_ns, has_tracks=True)):
            detected_ns, runs = now_ns, runs + 1
    # At 5 fps every third frame is the first that lies half a second after the last look.
    assert runs == 100
