"""A node's command side in a process of its own, to be killed at any moment: `python -m tests.commands.killed`.

Reads nothing; takes up what the journal holds. Answers and told events are appended to a file, a line each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from agent.contract.commands import Answer
from tests.broker import wait_until
from tests.commands.desk import Node

_LIMIT_S = 60.0


def main(folder: Path, answers: Path) -> None:
    node = Node(folder, is_new=False)

    def write(answer: Answer) -> None:
        with answers.open("ab") as file:
            file.write(msgspec.json.encode(answer) + b"\n")

    node.on_answer = write
    with node.running():
        wait_until(lambda: any(answer.state.is_final for _, answer in list(node.answers)), "no end", limit_s=_LIMIT_S)
    node.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
