"""The copy for old players: the same coded pictures, an index in front, and no claim to be evidence."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import av
import pytest

from agent.errors import ClipDamaged
from agent.media.faststart import faststart_path, remux_faststart
from agent.recording.clipfile import verify_clip
from agent.recording.cut import plan_clip
from agent.recording.exporter import ExportedFile, export_clip
from agent.units import NS_PER_S, WallSpan
from tests.clip.footage import START_NS, Film, Where, record

FFMPEG = shutil.which("ffmpeg")


def boxes(path: Path) -> list[str]:
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        found.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at : at + 4], "big")
    return found


def coded(path: Path) -> list[tuple[bytes, float]]:
    """Every coded picture and when it is shown."""
    with av.open(str(path)) as container:
        return [
            (bytes(packet), float(packet.pts * packet.time_base))
            for packet in container.demux(video=0)
            if packet.pts is not None and packet.time_base is not None
        ]


@pytest.fixture(params=["film", "film_with_b_frames", "hevc_film"])
def clip(data_dir: Path, tmp_path: Path, request: pytest.FixtureRequest) -> ExportedFile:
    """A clip with a gap of two seconds."""
    film: Film = request.getfixturevalue(request.param)
    segments = [
        record(data_dir, film, gops=slice(0, 1)),
        record(data_dir, film, gops=slice(1, 4), where=Where(run=2), start_ns=START_NS + 2 * NS_PER_S),
    ]
    end = segments[1].scan.span
    assert end is not None
    (file,) = export_clip(plan_clip("c01", segments, WallSpan(START_NS, end.end_ns)), data_dir, tmp_path / "clip.mp4")
    return file


def test_the_copy_holds_the_same_pictures_at_the_same_times_with_its_index_in_front(clip: ExportedFile) -> None:
    made = remux_faststart(clip.path, faststart_path(clip.path), clip.sha256)
    assert made.path.name == "clip-faststart.mp4"
    kinds = boxes(made.path)
    assert "moof" not in kinds and kinds.index("moov") < kinds.index("mdat")
    native, derived = coded(clip.path), coded(made.path)
    assert [data for data, _ in derived] == [data for data, _ in native]
    assert [at_s for _, at_s in derived] == pytest.approx([at_s for _, at_s in native], abs=0.001)
    assert b"elst" not in made.path.read_bytes()
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    if FFMPEG is not None:
        done = subprocess.run(
            [FFMPEG, "-v", "error", "-i", made.path, "-f", "null", "-"], capture_output=True, check=True, timeout=60
        )
        assert done.stderr == b""


def test_the_copy_names_its_native_clip_and_is_no_evidence(clip: ExportedFile) -> None:
    made = remux_faststart(clip.path, faststart_path(clip.path), clip.sha256)
    with av.open(str(made.path)) as container:
        assert clip.sha256 in container.metadata["comment"]
    with pytest.raises(ClipDamaged) as caught:
        verify_clip(made.path)
    assert "derivative" in str(caught.value)
    verify_clip(clip.path, clip.sha256)


def test_what_is_no_clip_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no film")
    with pytest.raises(ClipDamaged):
        remux_faststart(tmp_path / "clip.mp4", tmp_path / "out.mp4", "0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
