"""When a new release is good, when it is not, and that neither a kill nor a reboot leaves a node in between."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import release_watch
from hypothesis import given
from hypothesis import strategies as st
from release_host import Host
from release_manifest import BundleRefused, ReleaseError
from release_slots import Slots
from release_trial import (
    Camera,
    Facts,
    Phase,
    Trial,
    Verdict,
    decode_facts,
    judge,
    load_trial,
    restarted_anew,
    save_trial,
)
from release_watch import after_boot, go_back_on_demand, watch

from provisioning.release.archive import Release, make_manifest

BEFORE = Facts(
    {"c01": Camera((1, 1, 4), 900, (1, 1, 3))}, has_broker=True, epoch="e", last_a=7, confirmed_a=7, last_b=3
)
LOOK = Facts({"c01": Camera((1, 2, 1), 500, (1, 2, 0))}, has_broker=True, epoch="e", last_a=7, confirmed_a=7, last_b=4)
LATER = replace(LOOK, cameras={"c01": Camera((1, 2, 1), 700, (1, 2, 0))})
TRIAL = Trial(Phase.TRYING, "b", "0.2.0", "a", "0.1.0", "0.1.0", baseline=BEFORE)


def verdict(trial: Trial = TRIAL, then: Facts | None = LOOK, now: Facts | None = LATER, **changes: float) -> Verdict:
    return judge(
        trial, then, now, failed_starts=int(changes.get("failed", 0)), elapsed_s=changes.get("elapsed", 70.0)
    ).verdict


def camera(newest: tuple[int, ...] | None, size: int, closed: tuple[int, ...] | None) -> Facts:
    return replace(LATER, cameras={"c01": Camera(newest, size, closed)})


def test_new_frames_a_closed_segment_and_a_confirmation_make_a_release_good() -> None:
    assert verdict() is Verdict.GOOD


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(None, id="the node tells nothing"),
        pytest.param(LOOK, id="no file has grown"),
        pytest.param(camera((1, 2, 0), 700, (1, 1, 3)), id="no segment is closed yet"),
        pytest.param(camera((1, 1, 5), 700, (1, 1, 4)), id="what was closed is the old release's"),
        pytest.param(camera(None, 0, None), id="there is no footage at all"),
        pytest.param(replace(LATER, last_b=3), id="nothing was said since"),
        pytest.param(replace(LATER, oldest_b=4), id="what was said still waits"),
        pytest.param(replace(LATER, shed=1), id="what was said may have been shed"),
        pytest.param(replace(LATER, epoch="f", last_b=0, confirmed_a=0), id="a new store that has said nothing"),
        pytest.param(
            replace(LATER, cameras={**LATER.cameras, "c02": Camera((1, 1, 0), 9, None)}), id="one of two cameras"
        ),
    ],
)
def test_without_all_of_it_a_release_is_not_good_yet_and_bad_in_the_end(now: Facts | None) -> None:
    assert verdict(now=now) is Verdict.WAIT
    assert verdict(now=now, elapsed=600.0) is Verdict.BAD


@pytest.mark.parametrize(
    "now",
    [
        replace(LATER, last_b=3, last_a=8, confirmed_a=8),
        replace(LATER, last_b=3, last_a=9, confirmed_a=7, acked_a=8),
        replace(LATER, epoch="f", last_b=1),
        replace(LATER, last_b=3, has_broker=False),
        replace(LATER, last_b=9, oldest_b=6),
    ],
)
def test_any_word_of_the_broker_or_the_centre_counts_and_without_a_broker_none_is_asked_for(now: Facts) -> None:
    assert verdict(now=now) is Verdict.GOOD


def test_an_excused_camera_is_not_waited_for() -> None:
    now = replace(LATER, cameras={**LATER.cameras, "c02": Camera(None, 0, None)})
    assert verdict(now=now) is Verdict.WAIT
    assert verdict(replace(TRIAL, excused=("c02",)), now=now) is Verdict.GOOD


def test_three_failed_starts_end_a_trial_whatever_else_is_well() -> None:
    assert verdict(failed=2) is Verdict.GOOD
    assert verdict(failed=3) is Verdict.BAD


def test_a_fall_during_the_trial_begins_the_proof_anew() -> None:
    noted = restarted_anew(TRIAL, LATER, 1)
    assert verdict(noted) is Verdict.WAIT
    again = replace(LATER, cameras={"c01": Camera((1, 3, 1), 10, (1, 3, 0))})
    assert verdict(noted, now=again) is Verdict.GOOD
    assert restarted_anew(noted, again, 1) is noted


facts = st.builds(
    Facts,
    cameras=st.dictionaries(
        st.sampled_from(["c01", "c02"]),
        st.builds(
            Camera,
            st.none() | st.tuples(*[st.integers(0, 3)] * 3),
            st.integers(0, 3),
            st.none() | st.tuples(*[st.integers(0, 3)] * 3),
        ),
    ),
    has_broker=st.booleans(),
    epoch=st.sampled_from(["e", "f"]),
    **{name: st.integers(0, 9) for name in ("confirmed_a", "acked_a", "last_a", "last_b", "oldest_b", "shed")},
)


@given(facts, st.none() | facts, facts, st.integers(0, 4), st.floats(0, 1000))
def test_a_release_is_good_only_with_a_segment_of_every_camera_from_after_the_switch(
    baseline: Facts, then: Facts | None, now: Facts, failed: int, elapsed_s: float
) -> None:
    found = judge(replace(TRIAL, baseline=baseline), then, now, failed_starts=failed, elapsed_s=elapsed_s)
    if found.verdict is Verdict.GOOD:
        assert failed < 3
        for name, one in now.cameras.items():
            old = baseline.cameras.get(name)
            assert one.closed is not None
            if old is not None and old.closed is not None:
                assert one.closed > old.closed
    else:
        assert found.why


@given(facts)
def test_a_trial_comes_back_from_the_disk_as_it_was(tmp_path_factory: pytest.TempPathFactory, baseline: Facts) -> None:
    path = tmp_path_factory.mktemp("state") / "update.json"
    trial = replace(TRIAL, baseline=baseline, excused=("c02",), restarted=("u",), missing=("x",))
    save_trial(path, trial)
    assert load_trial(path) == trial


@given(st.text() | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_a_state_file_of_anything_is_no_trial(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("state") / "update.json"
    path.write_text(text, encoding="utf-8", errors="replace")
    assert load_trial(path) is None


@given(st.text() | st.dictionaries(st.text(), st.integers() | st.none()).map(json.dumps))
def test_facts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ReleaseError):
        decode_facts(text)


# --- carried through, with a systemctl and releases of the test's own

SYSTEMCTL = """#!/bin/sh
echo "$*" >> {folder}/calls
case "$1" in
  show) cat "{folder}/unit" 2>/dev/null || printf 'NRestarts=0\\nActiveState=active\\n' ;;
esac
"""
PYTHON = """#!/bin/sh
# Each look finds more: a segment of the session that the restart began, and bytes.
n=$(cat {folder}/looks 2>/dev/null || echo 0); n=$((n + 1)); echo $n > {folder}/looks
run=1; [ "$(readlink {root}/current)" = b ] && run=2
sed -e "s/RUN/$run/g" -e "s/BYTES/$n/" {folder}/facts
"""
TOLD = (
    '{"v":1,"cameras":[{"camera":"c01","newest":[1,RUN,1],"newest_bytes":BYTES,"closed":[1,RUN,0]}],'
    '"has_broker":false,"outbox":null}'
)


@dataclass(frozen=True, slots=True)
class Desk:
    folder: Path
    host: Host

    def trial(self) -> Trial:
        trial = load_trial(self.host.state)
        assert trial is not None
        return trial

    def calls(self, verb: str) -> list[str]:
        lines = (self.folder / "calls").read_text(encoding="ascii").splitlines()
        return [line for line in lines if line.split()[0] == verb]

    def begin(self, phase: Phase = Phase.READY, **changes: object) -> None:
        save_trial(self.host.state, replace(TRIAL, phase=phase, baseline=None, floor="0.2.0", **changes))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    root = tmp_path / "opt"
    for slot, version in (("a", "0.1.0"), ("b", "0.2.0")):
        (root / slot / "bin").mkdir(parents=True)
        (root / slot / "firmware_scripts" / "units").mkdir(parents=True)
        (root / slot / "firmware_scripts" / "update").write_text(version, encoding="ascii")
        (root / slot / "firmware_scripts" / "units" / "wayside-node.service").write_text(version, encoding="ascii")
        file = root / slot / "lock"
        file.write_text("x", encoding="ascii")
        release = Release(version, "t", "0.1.0", "2026-11-23T00:00:00Z", "release", {"3.11": "locks/l"})
        (root / slot / "installed.json").write_bytes(make_manifest(release, {"locks/l": file}))
        script(root / slot / "bin" / "python", PYTHON.format(folder=tmp_path, root=root))
    (tmp_path / "facts").write_text(TOLD, encoding="ascii")
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "systemctl", SYSTEMCTL.format(folder=tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(release_watch, "LOOK_INTERVAL_S", 0.01)
    config = tmp_path / "wayside.toml"
    config.write_text('[[camera]]\nid = "c01"\n', encoding="ascii")
    units = tmp_path / "units"
    units.mkdir()
    slots = Slots(root)
    slots.switch("a")
    return Desk(tmp_path, Host(slots, config, tmp_path / "update.json", tmp_path / "run" / "updating.json", units))


def script(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
    path.chmod(0o755)


def test_a_good_release_stays_with_its_units_tools_and_floor(desk: Desk) -> None:
    desk.begin()
    watch(desk.host, threading.Event())
    slots = desk.host.slots
    assert (desk.trial().phase, slots.current(), slots.floor()) == (Phase.GOOD, "b", "0.2.0")
    assert (slots.root / "tools" / "update").read_text(encoding="ascii") == "0.2.0"
    assert (desk.host.units / "wayside-node.service").read_text(encoding="ascii") == "0.2.0"
    assert json.loads(desk.host.marker.read_bytes())["until_wall_ns"] > 0
    order = [line.split()[-1] for line in desk.calls("restart")]
    assert order == ["wayside-camera@c01.service", "wayside-vision.service", "wayside-node.service"]


def test_a_release_whose_units_fail_is_undone_with_its_units(desk: Desk) -> None:
    desk.begin()
    (desk.folder / "unit").write_text("NRestarts=3\nActiveState=activating\n", encoding="ascii")
    watch(desk.host, threading.Event())
    slots = desk.host.slots
    assert (desk.trial().phase, slots.current(), slots.floor()) == (Phase.ROLLED_BACK, "a", "0.0.0")
    assert "does not start" in desk.trial().reason
    # What was not restarted still ran the old release: it is left alone.
    assert {line.split()[-1] for line in desk.calls("restart")} == {"wayside-camera@c01.service"}
    assert (desk.host.units / "wayside-node.service").read_text(encoding="ascii") == "0.1.0"
    assert not (slots.root / "tools").exists()
    assert json.loads(desk.host.marker.read_bytes())["until_wall_ns"] > 0


def test_a_release_that_tells_nothing_is_undone_when_its_time_is_up(desk: Desk) -> None:
    desk.begin(limit_s=0.0)
    (desk.folder / "facts").write_text("nonsense", encoding="ascii")
    watch(desk.host, threading.Event())
    assert (desk.trial().phase, desk.host.slots.current()) == (Phase.ROLLED_BACK, "a")
    assert "the node tells nothing" in desk.trial().reason


@pytest.mark.parametrize("link", ["a", "b"])
def test_a_reboot_during_a_trial_ends_in_the_release_before(desk: Desk, link: str) -> None:
    desk.begin(Phase.TRYING, boot_id="another")
    desk.host.slots.switch(link)
    after_boot(desk.host)
    assert (desk.trial().phase, desk.host.slots.current()) == (Phase.ROLLED_BACK, "a")
    assert "rebooted" in desk.trial().reason


@pytest.mark.parametrize("phase", [Phase.GOOD, Phase.ROLLED_BACK])
def test_a_reboot_without_a_trial_changes_nothing(desk: Desk, phase: Phase) -> None:
    desk.begin(phase, boot_id="another")
    desk.host.slots.switch("b")
    after_boot(desk.host)
    assert (desk.trial().phase, desk.host.slots.current()) == (phase, "b")


@pytest.mark.parametrize("moment", ["save_trial", "restart", "switch", "take_units", "adopt_tools", "raise_floor"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_watcher_that_is_killed_at_any_step_is_finished_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, moment: str, at: int
) -> None:
    class Killed(BaseException):
        pass

    def killing(call: Callable[..., object]) -> Callable[..., object]:
        calls = [0]

        def wrapped(*args: object, **named: object) -> object:
            calls[0] += 1
            if calls[0] == at:
                raise Killed
            return call(*args, **named)

        return wrapped

    owner: object = release_watch if moment == "save_trial" else Host if hasattr(Host, moment) else Slots
    desk.begin()
    with monkeypatch.context() as patch:
        patch.setattr(owner, moment, killing(getattr(owner, moment)))
        try:
            watch(desk.host, threading.Event())
        except Killed:
            assert desk.trial().phase in (Phase.READY, Phase.TRYING)
    watch(desk.host, threading.Event())
    assert (desk.trial().phase, desk.host.slots.current()) == (Phase.GOOD, "b")
    assert desk.host.slots.floor() == "0.2.0"


def test_a_person_goes_back_only_to_a_release_that_is_there(desk: Desk) -> None:
    with pytest.raises(ReleaseError, match="nothing to go back to"):
        go_back_on_demand(desk.host)
    desk.begin(Phase.GOOD)
    desk.host.slots.switch("b")
    assert go_back_on_demand(desk.host).phase is Phase.ROLLING_BACK
    watch(desk.host, threading.Event())
    assert desk.host.slots.current() == "a"
    assert go_back_on_demand(desk.host).phase is Phase.ROLLED_BACK
    desk.begin(Phase.GOOD)
    (desk.host.slots.root / "a" / "installed.json").unlink()
    with pytest.raises(ReleaseError, match="not there any more"):
        go_back_on_demand(desk.host)


def test_a_slot_without_its_last_file_is_no_release(desk: Desk) -> None:
    (desk.host.slots.root / "b" / "installed.json").unlink()
    with pytest.raises(ReleaseError, match="no whole release"):
        desk.host.slots.switch("b")
    assert desk.host.slots.current() == "a"


def test_the_floor_rises_and_never_falls(desk: Desk) -> None:
    slots = desk.host.slots
    assert [slots.raise_floor(version) for version in ("0.2.0", "0.1.9", "0.10.0", "0.9.0")] == [
        True,
        False,
        True,
        False,
    ]
    assert slots.floor() == "0.10.0"
    with pytest.raises(BundleRefused):
        slots.raise_floor("latest")
