"""Media data is copied inside the kernel, whatever the kernel and the disk make of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from agent.errors import DiskError
from agent.recording.clipfile import verify_clip
from agent.recording.cut import ClipPlan, plan_clip
from agent.recording.exporter import export_clip
from agent.units import NS_PER_S, WallSpan
from tests.clip.footage import START_NS, Film, record


@pytest.fixture
def plan(film: Film, data_dir: Path) -> ClipPlan:
    return plan_clip("c01", [record(data_dir, film)], WallSpan(START_NS, START_NS + 10 * NS_PER_S))


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, 0])
def test_where_the_kernel_cannot_copy_between_files_it_sends(
    plan: ClipPlan, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (native,) = export_clip(plan, data_dir, tmp_path / "native.mp4")

    def cannot(_source: int, _out: int, _count: int, _at: int) -> int:
        if number:
            raise OSError(number, os.strerror(number))
        return 0

    monkeypatch.setattr(os, "copy_file_range", cannot)
    (sent,) = export_clip(plan, data_dir, tmp_path / "sent.mp4")
    assert sent.sha256 == native.sha256
    verify_clip(sent.path)


def test_copies_that_fall_short_are_gone_on_with(
    plan: ClipPlan, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = export_clip(plan, data_dir, tmp_path / "whole.mp4")
    copy = os.copy_file_range
    monkeypatch.setattr(os, "copy_file_range", lambda source, out, count, at: copy(source, out, min(count, 777), at))
    (short,) = export_clip(plan, data_dir, tmp_path / "short.mp4")
    assert short.sha256 == whole.sha256


@pytest.mark.parametrize(("number", "reason"), [(errno.EIO, "disk_error"), (errno.ENOSPC, "disk_full")])
def test_a_disk_that_fails_while_copying_is_named_and_leaves_no_file(
    plan: ClipPlan, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    calls: list[int] = []
    copy = os.copy_file_range

    def failing(source: int, out: int, count: int, at: int) -> int:
        calls.append(at)
        if len(calls) == 4:
            raise OSError(number, os.strerror(number))
        return copy(source, out, count, at)

    monkeypatch.setattr(os, "copy_file_range", failing)
    with pytest.raises(DiskError) as caught:
        export_clip(plan, data_dir, tmp_path / "clip.mp4")
    assert caught.value.reason == reason
    assert list(tmp_path.glob("clip*")) == []
