"""A copy of a clip in which nobody is to be known: faces, heads, the bands where plates are, and the scene's masks.

What is covered is gone: each place becomes one colour. The copy is decoded and encoded anew and says in its head that
it is a derivative and of which file; evidence is the native clip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import msgspec
import numpy as np

from agent.drawing.encoder import Mp4Encoder
from agent.errors import DiskError
from agent.media.decoder import Picture
from agent.processes.video import VideoFile
from agent.scene.grammar import Mask
from agent.units import NS_PER_S
from agent.vision.detector import BgrImage, Detector
from agent.vision.faces import FaceDetector
from agent.vision.geometry import Box, Detection, Label

# A face that turns away is lost for some frames and is known all the same: what is found covers this long before and
# after. Who walks moves a head's width meanwhile, which the margin takes.
_LINGER_NS: Final = 400_000_000
_FACE_MARGIN: Final = 0.35
# Heads and plates move with bodies that are large: five looks a second.
_BODY_EVERY_NS: Final = NS_PER_S // 5
# A standing person's head is the upper seventh (Vitruvius's eighth, and hair); stooping and hats take some more.
_HEAD_SHARE: Final = 0.22
# Plates stand in the lower half of a vehicle as seen from a pole, from either end.
_PLATE_FROM: Final = 0.45
_BODY_SCORE: Final = 0.25
_HASH_BYTES: Final = 1 << 20


class Redaction(msgspec.Struct, frozen=True):
    """What the copy's comment says of it. Counts are of places found, all pictures together."""

    derivative: str
    of_sha256: str
    faces: int
    heads: int
    plates: int
    masks: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RedactedFile:
    """`redaction` stands in the file; `problem` says what of the clip could not be read, else empty."""

    path: Path
    size_bytes: int
    frames: int
    redaction: Redaction
    problem: str


@dataclass(frozen=True, slots=True)
class Finders:
    """`detector` None: faces and masks only. `covers_plates`: vehicles' lower halves as well."""

    faces: FaceDetector
    detector: Detector | None
    covers_plates: bool = True


@dataclass(frozen=True, slots=True)
class _Place:
    media_ns: int
    box: Box


@dataclass(slots=True)
class _Search:
    """What a first pass over the clip found."""

    places: list[_Place]
    faces: int = 0
    heads: int = 0
    plates: int = 0


def redact(clip: Path, out: Path, finders: Finders, masks: Sequence[Mask]) -> RedactedFile:
    """Write `out`, whole or not at all. Raises VideoError for what is no video, ModelError, DiskError."""
    found = _search(clip, finders)
    models = (finders.faces.facts, *((finders.detector.facts,) if finders.detector is not None else ()))
    redaction = Redaction(
        derivative="redacted",
        of_sha256=_sha256(clip),
        faces=found.faces,
        heads=found.heads,
        plates=found.plates,
        masks=len(masks),
        models=tuple(facts.name for facts in models),
    )
    part = out.with_name(out.name + ".part")
    try:
        frames, problem = _cover(clip, part, found.places, masks, redaction)
        size_bytes = part.stat().st_size
        part.replace(out)
    except OSError as exc:
        raise DiskError(reason="disk_error", path=str(out), error=exc.strerror or "") from exc
    finally:
        part.unlink(missing_ok=True)
    return RedactedFile(out, size_bytes, frames, redaction, problem)


def _search(clip: Path, finders: Finders) -> _Search:
    found = _Search([])
    due_ns = 0
    with VideoFile(clip) as source:
        for picture in source.pictures():
            bgr = picture.bgr()
            faces = [_widened(box) for box, _ in finders.faces.detect(bgr)]
            found.faces += len(faces)
            found.places += (_Place(picture.media_ns, box) for box in faces)
            if finders.detector is not None and picture.media_ns >= due_ns:
                due_ns = picture.media_ns + _BODY_EVERY_NS
                _note_bodies(found, finders.detector.detect(bgr), picture.media_ns, finders.covers_plates)
    return found


def _note_bodies(found: _Search, detections: Sequence[Detection], media_ns: int, covers_plates: bool) -> None:
    for one in detections:
        if one.score < _BODY_SCORE:
            continue
        if one.label is Label.PERSON:
            found.heads += 1
            found.places.append(_Place(media_ns, head_of(one.box)))
        elif covers_plates and one.label is not Label.BICYCLE:
            found.plates += 1
            found.places.append(_Place(media_ns, plate_band_of(one.box)))


def head_of(person: Box) -> Box:
    """Where the head of a standing person is."""
    return Box(person.x, person.y, person.w, person.h * _HEAD_SHARE)


def plate_band_of(vehicle: Box) -> Box:
    """Where plates are, whichever end is seen."""
    return Box(vehicle.x, vehicle.y + vehicle.h * _PLATE_FROM, vehicle.w, vehicle.h * (1 - _PLATE_FROM))


def _widened(face: Box) -> Box:
    x, y = face.w * _FACE_MARGIN, face.h * _FACE_MARGIN
    return Box(face.x - x, face.y - y, face.w + 2 * x, face.h + 2 * y)


def _cover(
    clip: Path, part: Path, places: Sequence[_Place], masks: Sequence[Mask], redaction: Redaction
) -> tuple[int, str]:
    """How many pictures were written, and what of the clip could not be read."""
    comment = msgspec.json.encode(redaction).decode()
    frames = 0
    with VideoFile(clip) as source, Mp4Encoder(part, fps=source.fps, comment=comment, crf=20) as encoder:
        for picture, near in _with_places(source.pictures(), places):
            bgr = picture.bgr()
            for mask in masks:
                corners = np.array(mask.polygon) * [bgr.shape[1], bgr.shape[0]]
                cv2.fillPoly(bgr, [np.asarray(corners, np.int32)], (0, 0, 0))
            for box in near:
                blot(bgr, box)
            encoder.write(bgr[: bgr.shape[0] // 2 * 2, : bgr.shape[1] // 2 * 2], picture.media_ns)
            frames += 1
    return frames, source.problem


def _with_places(pictures: Iterator[Picture], places: Sequence[_Place]) -> Iterator[tuple[Picture, list[Box]]]:
    """Each picture with what was found shortly before, in and shortly after it. `places` are in order of time."""
    first = 0
    for picture in pictures:
        while first < len(places) and places[first].media_ns < picture.media_ns - _LINGER_NS:
            first += 1
        near: list[Box] = []
        for place in places[first:]:
            if place.media_ns > picture.media_ns + _LINGER_NS:
                break
            near.append(place.box)
        yield picture, near


def blot(bgr: BgrImage, box: Box) -> None:
    """In place: all of it becomes the mean of what it was, of which nothing can be read back."""
    height, width = bgr.shape[:2]
    top, bottom = max(int(box.y * height), 0), min(int(np.ceil(box.bottom * height)), height)
    left, right = max(int(box.x * width), 0), min(int(np.ceil(box.right * width)), width)
    if top < bottom and left < right:
        bgr[top:bottom, left:right] = bgr[top:bottom, left:right].mean((0, 1)).astype(np.uint8)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BYTES):
            digest.update(block)
    return digest.hexdigest()
