"""Rows of the shared footage: every clip of the manifest with its scene, by the real observer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agent.contract import events
from agent.contract.events import CrossingData, IncidentData, MotionData, TrackData
from tests.eval.context import Context
from tests.eval.counting import Crossed, ToldCrossing, compare
from tests.eval.footage import Clip, read_manifest, read_truth
from tests.eval.incidents import Alarm, Expected, judge
from tests.eval.mot import MotScore, score
from tests.eval.table import Group, Row
from tests.eval.trails import Trail, lay
from tests.eval.truth import expected_incidents, quiet_spans, true_crossings, untold
from tests.eval.watching import Told, Watched, read_scene


def rows(context: Context) -> Iterator[Row]:
    """One row for each video of the manifest."""
    for clip in read_manifest(context.shared):
        if context.wants(clip.name, *clip.kinds):
            yield _row(clip, context)


def _row(clip: Clip, context: Context) -> Row:
    scene = read_scene(clip.name)
    watched = context.watcher.watch(clip.path, scene)
    return judged_row(
        clip.name,
        watched,
        expected=expected_incidents(clip, scene),
        crossings=true_crossings(clip),
        quiet=quiet_spans(clip),
        mot=_mot(clip, watched),
        notes=tuple(
            f"{one.kind.value} of {one.start_s:.1f} s waits {one.own_delay_s:.0f} s by its rule: the clip ends before"
            for one in untold(clip, scene)
        ),
    )


def judged_row(
    name: str,
    watched: Watched,
    *,
    expected: Sequence[Expected],
    crossings: Sequence[Crossed] | None = None,
    quiet: Iterable[tuple[float, float]] = (),
    mot: MotScore | None = None,
    group: Group = Group.FOOTAGE,
    notes: tuple[str, ...] = (),
) -> Row:
    """What was found, held against what there is: for clips and composites alike. `quiet`: spans without an object, in
    which a motion event is false."""
    judgement = judge(expected, alarms(watched))
    false_motion = [at_s for start_s, end_s in quiet for at_s in _motion_within(watched, start_s, end_s)]
    counted = None if crossings is None else compare(crossings, _crossings(watched.told))
    return Row(
        clip=name,
        group=group,
        seconds=watched.seconds,
        expected=judgement.expected,
        raised=judgement.raised,
        delays_s=judgement.delays_s,
        false_alarms=judgement.false_alarms + len(false_motion),
        counted=counted,
        mot=mot,
        inferences_per_s=watched.inferences / watched.seconds,
        notes=(*notes, *judgement.notes, *(f"false motion at {at_s:.1f} s" for at_s in false_motion)),
    )


def alarms(watched: Watched) -> list[Alarm]:
    """The incidents in the order in which they opened."""
    closed_s = {
        told.finding.data.incident_id: told.at_s
        for told in watched.told
        if told.finding.type == events.INCIDENT_CLOSED and isinstance(told.finding.data, IncidentData)
    }
    return [
        Alarm(data.kind, data.zone, told.at_s, closed_s.get(data.incident_id, watched.seconds))
        for told in watched.told
        if told.finding.type == events.INCIDENT_OPENED and isinstance(data := told.finding.data, IncidentData)
    ]


def _crossings(told: Iterable[Told]) -> list[ToldCrossing]:
    return [
        ToldCrossing(data.direction, data.at_s) for one in told if isinstance(data := one.finding.data, CrossingData)
    ]


def _motion_within(watched: Watched, start_s: float, end_s: float) -> list[float]:
    found = (one.finding.data for one in watched.told)
    return [data.begin_s for data in found if isinstance(data, MotionData) and start_s <= data.begin_s < end_s]


def _mot(clip: Clip, watched: Watched) -> MotScore | None:
    """Persons only, where the truth has their boxes."""
    if clip.truth_file is None:
        return None
    found = (one.finding.data for one in watched.told)
    trails = [
        Trail(data.track_id, data.points) for data in found if isinstance(data, TrackData) and data.label == "person"
    ]
    return score(read_truth(clip), lay(trails, frames=clip.frames, fps=clip.fps))
