"""Frames of a real clip to make another of: read, bent in time, changed, and given out as pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from av import VideoFrame

from agent.media.decoder import Picture
from agent.processes.video import VideoFile
from agent.units import NS_PER_S
from tests.eval.context import Context
from tests.eval.footage import Clip, read_manifest

Frame = npt.NDArray[np.uint8]
# Changes a frame of a media time in seconds.
Change = Callable[[Frame, float], Frame]


@dataclass(frozen=True, slots=True)
class Film:
    """Frames at one rate, each (H, W, 3) uint8 BGR."""

    frames: Sequence[Frame]
    fps: float

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.fps

    def at(self, at_s: float) -> Frame:
        return self.frames[min(max(round(at_s * self.fps), 0), len(self.frames) - 1)]

    def cut(self, start_s: float, end_s: float) -> Film:
        return Film(self.frames[round(start_s * self.fps) : round(end_s * self.fps)], self.fps)

    def reversed(self) -> Film:
        return Film(self.frames[::-1], self.fps)

    def changed(self, change: Change) -> Film:
        return Film([change(frame, turn / self.fps) for turn, frame in enumerate(self.frames)], self.fps)

    def mean(self) -> npt.NDArray[np.float32]:
        return np.asarray(np.mean(np.stack(self.frames), axis=0, dtype=np.float32))

    def pictures(self) -> Iterator[Picture]:
        for turn, frame in enumerate(self.frames):
            shown = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
            yield Picture(shown, round(turn * NS_PER_S / self.fps))


def clip_of(context: Context, name: str) -> Clip:
    return next(clip for clip in read_manifest(context.shared) if clip.name == name)


def film_of(clip: Clip, fps: float, *, end_s: float = 40.0) -> Film:
    """The clip's first seconds at this rate."""
    return shown_at(clip, [turn / fps for turn in range(round(min(end_s, clip.seconds) * fps))], fps)


def shown_at(clip: Clip, times_s: Sequence[float], fps: float) -> Film:
    """At each turn what the clip shows at this of its times, which never fall; nothing where the clip is over."""
    frames: list[Frame] = []
    with VideoFile(clip.path) as video:
        for picture in video.pictures():
            if len(frames) == len(times_s):
                break
            shown: Frame | None = None
            while len(frames) < len(times_s) and picture.media_ns >= round(times_s[len(frames)] * NS_PER_S):
                shown = picture.bgr() if shown is None else shown
                frames.append(shown)
    return Film(frames, fps)


def grown(film: Film, seconds: float) -> Film:
    """To and fro until it is this long: for spans in which nothing happens."""
    there_and_back = [*film.frames, *film.frames[-2:0:-1]]
    wanted = round(seconds * film.fps)
    return Film([there_and_back[turn % len(there_and_back)] for turn in range(wanted)], film.fps)


def blend(one: Frame, other: Frame, share: float | npt.NDArray[np.float32]) -> Frame:
    """`share` of the other, a number or (H, W, 1), 0 to 1."""
    mixed = one.astype(np.float32) * (1 - share) + other.astype(np.float32) * share
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def blurred(frame: Frame, sigma_px: float) -> Frame:
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma_px), np.uint8) if sigma_px > 0 else frame
