"""`wayside analyse`: what the agent would have seen in a video, faster than it was filmed."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from agent.cli.faults import explained
from agent.config import VisionConfig
from agent.contract import events
from agent.contract.envelope import ANALYSE_SOURCE, camera_subject, make_envelope
from agent.contract.events import EventData, SummaryData
from agent.contract.wire import encode
from agent.errors import ConfigError, UsageError
from agent.identity import uuid7
from agent.units import NS_PER_S

if TYPE_CHECKING:
    from agent.drawing.film import Film
    from agent.drawing.timeline import Timeline
    from agent.processes.sight import Sight
    from agent.processes.video import VideoFile
    from agent.scene.grammar import Scene

# `subject` needs a camera's id; a video without a scene has none.
_NO_CAMERA = "video"


@dataclass(frozen=True, slots=True)
class _Sink:
    """Where lines go. Two runs over one file give the same lines but for the summary's times: ids come from the file's
    name and a count, `time` is media time on the first of January 1970."""

    stream: TextIO
    subject: str
    new_id: Callable[[], str]
    timeline: Timeline | None = None

    def write(self, event_type: str, data: EventData, media_ns: int) -> None:
        envelope = make_envelope(
            event_type,
            data,
            id=self.new_id(),
            source=ANALYSE_SOURCE,
            subject=self.subject,
            wall_ns=media_ns,
            stamp=None,
        )
        self.stream.write(encode(envelope).decode() + "\n")
        if self.timeline is not None:
            self.timeline.tell(data)


@explained
def analyse(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="the video file", show_default=False)],
    scene: Annotated[Path | None, typer.Option("--scene", help="zones, lines and rules (TOML)")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="write the events here instead of printing them")] = None,
    tracks: Annotated[bool, typer.Option("--tracks", help="also print every track with its points")] = False,
    rate: Annotated[float, typer.Option("--rate", help="analysed frames a second", min=0.1, max=60)] = 5.0,
    draw: Annotated[
        Path | None, typer.Option("--draw", help="also write the video with what was seen drawn in")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="also write a timeline of the events (SVG)")] = None,
    models: Annotated[str, typer.Option("--models", help="the folder of the models")] = "",
) -> None:
    """See VIDEO as the agent would, and print one CloudEvent a line, the last one a summary.

    Exit code 1 when the video could not be read to its end; what was readable is printed all the same.
    """
    from agent.processes.sight import Sight
    from agent.processes.video import VideoFile

    meaning = _read_scene(scene)
    subject = camera_subject((meaning.camera if meaning else "") or _NO_CAMERA)
    with VideoFile(video) as source, _open_out(out) as stream, _open_film(draw, meaning, source) as film:
        sink = _Sink(stream, subject, _id_maker(video.name, "event"), _timeline(video, plot))
        sight = Sight(VisionConfig(models_dir=models, rate_fps=rate))
        summary = _run(source, sight, meaning, sink, film, keeps_tracks=tracks)
        sink.write(events.SUMMARY, summary, round(source.seconds * NS_PER_S))
    if plot is not None and sink.timeline is not None:
        with _open_out(plot) as picture:
            picture.write(sink.timeline.svg(summary.video_s))
    _report(summary, video, out)
    if summary.problem:
        raise typer.Exit(1)


def _run(
    source: VideoFile, sight: Sight, scene: Scene | None, sink: _Sink, film: Film | None, *, keeps_tracks: bool
) -> SummaryData:
    """Feed every picture to an observer, print and draw what it finds, and count."""
    from agent.processes.observe import Observer, ObserverSettings

    began_wall_s, began_cpu_s = time.perf_counter(), time.process_time()
    pipeline = sight.pipeline()
    new_id = _id_maker(source.path.name, "incident")
    observer = Observer(pipeline, scene, ObserverSettings(new_id, keeps_tracks=keeps_tracks))
    last_ns = 0
    for picture in source.pictures():
        observation = observer.feed(picture)
        last_ns = picture.media_ns
        for finding in observation.findings if observation else ():
            sink.write(finding.type, finding.data, last_ns)
        if film is not None:
            film.show(picture)
            if observation is not None:
                film.tell(last_ns, observation.sightings, [finding.data for finding in observation.findings])
    for finding in observer.finish():
        sink.write(finding.type, finding.data, last_ns)
    return SummaryData(
        frames=max(source.promised_frames, source.frames),
        video_s=round(source.seconds, 3),
        wall_s=round(time.perf_counter() - began_wall_s, 3),
        cpu_s=round(time.process_time() - began_cpu_s, 3),
        frames_decoded=source.decoded,
        frames_analysed=pipeline.counters.analysed,
        inferences=pipeline.counters.inferences,
        model=sight.serving.id,
        model_sha256=sight.serving.sha256,
        provider=sight.serving.provider,
        motion_model=sight.motion.id,
        motion_model_sha256=sight.motion.sha256,
        problem=source.problem,
    )


def _read_scene(path: Path | None) -> Scene | None:
    """Raises ConfigError when the file cannot be read or is wrong."""
    if path is None:
        return None
    from agent.scene.file import decode_scene

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(file=str(path), remedy=f"the scene cannot be read ({exc}); give the right --scene") from exc
    return decode_scene(text, name=str(path))


@contextlib.contextmanager
def _open_out(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        stream = path.open("w", encoding="utf-8")
    except OSError as exc:
        raise ConfigError(file=str(path), remedy=f"it cannot be written ({exc.strerror}); give another name") from exc
    with stream:
        yield stream


@contextlib.contextmanager
def _open_film(path: Path | None, scene: Scene | None, source: VideoFile) -> Iterator[Film | None]:
    if path is None:
        yield None
        return
    from agent.drawing.film import Film

    if path.resolve() == source.path.resolve():
        raise UsageError(remedy="--draw would write over the video itself; give another name")
    with Film(path, scene, fps=source.fps) as film:
        yield film


def _timeline(video: Path, plot: Path | None) -> Timeline | None:
    if plot is None:
        return None
    from agent.drawing.timeline import Timeline

    return Timeline(video.name)


def _id_maker(name: str, what: str) -> Callable[[], str]:
    """UUIDv7 that are the same for the same file name: their time is a count, their rest a hash."""
    count = 0

    def new_id() -> str:
        nonlocal count
        count += 1
        return uuid7(count, hashlib.sha256(f"{name}\0{what}\0{count}".encode()).digest()[:10])

    return new_id


def _report(summary: SummaryData, video: Path, out: Path | None) -> None:
    """For people, on stderr, so that stdout is events only."""
    if summary.problem:
        typer.echo(f"{video}: {summary.problem}; copy the file again if its original is whole", err=True)
    if out is not None:
        speed = summary.video_s / summary.wall_s if summary.wall_s else 0.0
        typer.echo(
            f"{video}: {summary.video_s:.1f} s seen in {summary.wall_s:.1f} s ({speed:.1f} times real time), "
            f"{summary.inferences} inferences; events in {out}",
            err=True,
        )
