"""An update carried through: switch, restart, look, and keep the new release or go back. Resumes after being killed.

Each step is on disk before it is done. Whoever dies in between is started again by systemd and goes on; a reboot in
between ends in the release that was good (`after_boot`, before any unit of the agent starts).
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Final

from release_host import Host, boot_clock_s, boot_id, say
from release_manifest import ReleaseError
from release_trial import Facts, Phase, Trial, Verdict, judge, load_trial, restarted_anew, save_trial

# Fragments reach the disk each second at the latest (storage.durability_s): between two looks a file has grown.
LOOK_INTERVAL_S: Final = 3.0


def watch(host: Host, stop: threading.Event) -> Trial | None:
    """Carry the update that stands in the state file to its end; what is left is GOOD or ROLLED_BACK, or None."""
    trial = load_trial(host.state)
    if trial is not None and trial.phase is Phase.READY:
        trial = _begin(host, trial)
    if trial is not None and trial.phase is Phase.TRYING:
        trial = _try(host, trial, stop)
    if trial is not None and trial.phase is Phase.ROLLING_BACK:
        trial = _go_back(host, trial)
    return trial


def _begin(host: Host, trial: Trial) -> Trial:
    host.mark(trial.previous_version, trial.version)
    trial = save_trial(
        host.state,
        replace(trial, phase=Phase.TRYING, boot_id=boot_id(), began_s=boot_clock_s(), baseline=host.facts()),
    )
    host.slots.switch(trial.slot)
    host.take_units(trial.slot)
    say(f"switched from {trial.previous_version} to {trial.version}")
    return trial


def _try(host: Host, trial: Trial, stop: threading.Event) -> Trial:
    if host.slots.current() != trial.slot:
        # Killed between the state and the switch.
        host.slots.switch(trial.slot)
        host.take_units(trial.slot)
    for unit in host.unit_names():
        if unit in trial.restarted:
            continue
        if not host.restart(unit):
            trial = replace(trial, restarted=(*trial.restarted, unit))
            return _condemn(host, trial, f"{unit} does not start")
        trial = save_trial(host.state, replace(trial, restarted=(*trial.restarted, unit)))
    host.restart_page()
    before: Facts | None = None
    shown: tuple[str, ...] = ()
    while not stop.is_set():
        now = host.facts()
        failed_starts = host.failed_starts(host.unit_names())
        if (noted := restarted_anew(trial, now, failed_starts)) != trial:
            trial = save_trial(host.state, noted)
        elapsed_s = boot_clock_s() - trial.began_s
        found = judge(trial, before, now, failed_starts=failed_starts, elapsed_s=elapsed_s)
        if found.verdict is Verdict.GOOD:
            return keep(host, trial)
        if found.verdict is Verdict.BAD:
            return _condemn(host, trial, "; ".join(found.why))
        if found.why != shown:
            shown = found.why
            trial = save_trial(host.state, replace(trial, missing=shown))
            say(f"not yet good: {'; '.join(shown)}")
        before = now
        stop.wait(LOOK_INTERVAL_S)
    return trial


def keep(host: Host, trial: Trial) -> Trial:
    """The new release is good: now, and not before, nothing older than its floor is taken any more."""
    host.slots.adopt_tools(trial.slot)
    if host.slots.raise_floor(trial.floor):
        say(f"from now on nothing older than {trial.floor} is installed here")
    trial = save_trial(host.state, replace(trial, phase=Phase.GOOD, missing=()))
    host.unmark()
    say(f"version {trial.version} is good")
    return trial


def _condemn(host: Host, trial: Trial, reason: str) -> Trial:
    say(f"version {trial.version} is not good: {reason}")
    return save_trial(host.state, replace(trial, phase=Phase.ROLLING_BACK, reason=reason, missing=()))


def _go_back(host: Host, trial: Trial) -> Trial:
    host.mark(trial.version, trial.previous_version)
    host.slots.switch(trial.previous_slot)
    host.take_units(trial.previous_slot)
    # A camera that was not restarted yet still runs the old release, and records.
    units = [unit for unit in host.unit_names() if unit in trial.restarted]
    host.kill_unready(units)
    # All of them, and whatever each answers: the first failure must not keep the others in the bad release.
    failed = [unit for unit in units if not host.restart(unit)]
    host.restart_page()
    trial = save_trial(host.state, replace(trial, phase=Phase.ROLLED_BACK))
    host.unmark()
    if failed:
        say(f"back on {trial.previous_version}, but these do not start: {', '.join(failed)}")
    else:
        say(f"back on version {trial.previous_version}")
    return trial


def after_boot(host: Host) -> None:
    """Before the agent's units start. A release that was on trial when the machine went down has not proven itself, and
    may be why it went down: the one before runs. Raises ReleaseError when that is gone."""
    trial = load_trial(host.state)
    if trial is None or trial.phase in (Phase.GOOD, Phase.ROLLED_BACK) or trial.boot_id == boot_id():
        return
    reason = trial.reason or "the machine was rebooted during the trial"
    if trial.phase is not Phase.READY:
        host.slots.switch(trial.previous_slot)
        host.take_units(trial.previous_slot)
    save_trial(host.state, replace(trial, phase=Phase.ROLLED_BACK, reason=reason, missing=()))
    say(f"back on version {trial.previous_version}: {reason}")


def go_back_on_demand(host: Host) -> Trial:
    """A person wants the release before. Raises ReleaseError when there is none, or none that may run here."""
    trial = load_trial(host.state)
    if trial is None:
        raise ReleaseError("no update was made on this machine: there is nothing to go back to")
    if trial.phase in (Phase.ROLLED_BACK, Phase.ROLLING_BACK):
        return trial
    there = host.slots.installed(trial.previous_slot)
    if there is None or there.version != trial.previous_version:
        raise ReleaseError(f"version {trial.previous_version} is not there any more")
    return save_trial(
        host.state,
        replace(trial, phase=Phase.ROLLING_BACK, reason="asked for", restarted=host.unit_names(), missing=()),
    )
