"""What strangers wrote, by a fuzzer that sees which branches it reached: `make faults ARGS=fuzz`.

Needs atheris (Apache-2.0), which is in no lock, as it is a tool of these minutes alone: `WAYSIDE_ATHERIS` names a
site-packages folder that has it (`pip install --target FOLDER atheris`). Ends by itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.notices import SegmentClosed, encode_notice
from agent.recording.naming import SegmentComment
from tests.clip.footage import Settings, encode, record
from tests.recording import strangers

_GRACE_S: Final = 60.0
_MAX_BYTES: Final = 8192
_DONE: Final = re.compile(rb"Done (\d+) runs in (\d+) second")
_COVERED: Final = re.compile(rb"cov: (\d+)")


def fuzz(folder: Path, seconds: float) -> list[str]:
    """A line a target: how many inputs, how many branches reached, and what failed."""
    library = os.environ.get("WAYSIDE_ATHERIS", "")
    if not library:
        return ["fuzz: WAYSIDE_ATHERIS names no folder with atheris; nothing was tried"]
    seeds = _seeds(folder)
    return [_run(target, library, folder / target, seeds[target], seconds) for target in strangers.TARGETS]


def _run(target: str, library: str, folder: Path, seeds: Sequence[bytes], seconds: float) -> str:
    folder.mkdir(parents=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed{number}").write_bytes(seed)
    argv = [sys.executable, "-m", "tests.faults.fuzzed", target, str(folder), f"-max_total_time={seconds:.0f}"]
    memory = Path("/dev/shm")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), library]),
        "TMPDIR": str(memory if memory.is_dir() else folder.parent),
    }
    done = subprocess.run(
        [*argv, f"-max_len={_MAX_BYTES}", f"-artifact_prefix={folder.parent}/failed-{target}-", "-timeout=20"],
        env=environment, capture_output=True, check=False, timeout=seconds + _GRACE_S,
    )  # fmt: skip
    said = done.stderr + done.stdout
    runs, covered = _DONE.search(said), _COVERED.findall(said)
    if done.returncode or runs is None:
        return f"fuzz {target}: FAILED\n{said[-3000:].decode(errors='replace')}"
    return f"fuzz {target}: {int(runs[1])} inputs in {int(runs[2])} s, {int(covered[-1])} branches reached, 0 failures"


def _seeds(folder: Path) -> dict[str, list[bytes]]:
    """What is right, for the fuzzer to spoil."""
    folder.mkdir(parents=True, exist_ok=True)
    ring = folder / "ring"
    made = record(ring, encode(Settings(seconds=1, width=64, height=48, b_frames=2)))
    name = made.name
    comment = SegmentComment(
        camera="c01", boot=7, boot_id="b", run=3, n=12, start_wall_ns=1, start_mono_ns=1,
        clock_quality="unsynced", clock_error_s=None,
    )  # fmt: skip
    closed = SegmentClosed(name.camera, name.text(), name.boot, name.run, name.n, 1, 2, 3, 4, 5, "unsynced")
    line = b'{"boot":1,"crc32":1,"data":{},"mono_ns":1,"seq":1,"type":"clock","v":1,"wall_ns":1}\n'
    data = b'{"hold_id":"h","kind":"staff","camera":"c01","start_wall_ns":1,"end_wall_ns":2,"made_wall_ns":3}'
    return {
        "segment": [(ring / name.path()).read_bytes()[:_MAX_BYTES]],
        "comment": [comment.encode().encode()],
        "ledger": [line * 2, line + line[:20]],
        "record": [data, b'{"quality":"synced","step_ns":1,"error_s":0.5}'],
        "name": [name.text().encode()],
        "notice": [encode_notice(closed)],
    }
