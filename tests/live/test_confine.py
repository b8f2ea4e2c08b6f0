"""What a confined process cannot do any more, seen in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.processes.confine import filter_program

TRIES = {
    "open a file": "open('/etc/hostname')",
    "write a file": "open('here.txt', 'w')",
    "remove a file": "os.unlink('kept.txt')",
    "rename a file": "os.rename('kept.txt', 'moved.txt')",
    "cut a file": "os.truncate('kept.txt', 0)",
    "make a folder": "os.mkdir('folder')",
    "open a socket": "socket.socket()",
    "begin a process": "os.execv('/bin/true', ['true'])",
    "end a process": "os.kill(os.getppid(), 0)",
}
SCRIPT = """
import os, socket, threading
from agent.processes.confine import confine
if not confine():
    print("unconfined")
    raise SystemExit
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
try:
    {attempt}
except PermissionError:
    print("refused")
"""


@pytest.mark.parametrize("name", TRIES)
def test_nothing_new_is_opened_sent_or_begun(tmp_path: Path, name: str) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    script = SCRIPT.format(attempt=TRIES[name])
    root = Path(__file__).resolve().parents[2]
    command, environment = [sys.executable, "-c", script], {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    if done.stdout == "unconfined\n":
        pytest.skip("this kernel has no seccomp for us")
    assert done.stdout.split() == ["thread", "refused"], done.stderr
    assert (tmp_path / "kept.txt").read_text() == "kept"


def test_each_comparison_leads_to_the_refusal() -> None:
    """Every jump of the program lands on its last instruction, which refuses; one before it allows."""
    program = filter_program(0xC000_003E, (2, 257, 59))
    steps = [program[at : at + 8] for at in range(0, len(program), 8)]
    for at, step in enumerate(steps):
        if step[0] == 0x15 and at > 1:
            assert at + 1 + step[2] == len(steps) - 1
    assert steps[1][3] + 2 == len(steps) - 1
    assert steps[3][2] + 4 == len(steps) - 1
