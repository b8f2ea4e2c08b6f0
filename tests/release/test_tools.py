"""The tools of a release keep the house's rules too, though no package holds them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "firmware_scripts"
COMMANDS = ("update", "rollback", "mark-good", "update-watch", "release.py")
FILES = sorted([*TOOLS.glob("release*.py"), *(TOOLS / name for name in COMMANDS if "." not in name)])


def passes(*argv: str) -> None:
    done = subprocess.run(argv, cwd=TOOLS, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{done.stdout[-3000:]}\n{done.stderr[-1000:]}", pytrace=False)


def test_commands_without_a_suffix_are_linted_as_well() -> None:
    names = [path.name for path in FILES]
    extensions = [f"--extension={name}:python" for name in names if "." not in name]
    passes(sys.executable, "-m", "ruff", "check", *extensions, *names)
    passes(sys.executable, "-m", "ruff", "format", "--check", *extensions, *names)


def test_types_are_strict_there_too(tmp_path: Path) -> None:
    names = [path.name for path in FILES if path.suffix == ".py"]
    passes(sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", *names)


def test_modules_and_functions_stay_small() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 300, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 50, f"{path.name}: {node.name}"


def test_they_need_nothing_but_the_standard_library() -> None:
    ours = {path.stem for path in FILES}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.partition(".")[0]
                assert top in sys.stdlib_module_names or top in ours, f"{path.name} imports {name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_is_for_and_lists_its_exit_codes(name: str) -> None:
    said = subprocess.run([str(TOOLS / name), "--help"], capture_output=True, text=True, check=True).stdout
    codes = re.search(r"Exit codes: 0 .*", said, re.DOTALL)
    assert codes is not None
    assert "2 wrong usage" in codes[0]
    assert subprocess.run([str(TOOLS / name), "--nonsense"], capture_output=True, check=False).returncode == 2
