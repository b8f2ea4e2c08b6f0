"""The house's own rules, run as tests: style, types, storeys, sizes, what installs where."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SOURCES = sorted(path for room in ("agent", "provisioning", "firmware_scripts") for path in (ROOT / room).rglob("*.py"))
LOCKS = sorted((ROOT / "provisioning" / "locks").glob("*.txt"))

# House style 4.
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 50
# House style 3: names that say nothing.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def passes(*argv: str) -> None:
    """Run a program in the checkout; on failure the test shows what it said."""
    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.fail(f"{' '.join(argv)}\n{result.stdout[-6000:]}\n{result.stderr[-2000:]}", pytrace=False)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_ruff_finds_nothing() -> None:
    passes(sys.executable, "-m", "ruff", "check", ".")


def test_the_layout_is_ruffs() -> None:
    passes(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_types_are_strict() -> None:
    passes(sys.executable, "-m", "mypy")


def test_rooms_import_only_from_below() -> None:
    passes(str(BIN / "lint-imports"), "--no-logo", "--no-cache")


def test_shell_scripts_are_shellcheck_clean() -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    scripts = [path for path in (ROOT / ".ci").iterdir() if path.is_file()]
    scripts += [path for path in (ROOT / "firmware_scripts").rglob("*") if path.is_file() and is_shell(path)]
    passes(shellcheck, "--external-sources", *sorted(map(str, scripts)))


def is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        return re.match(rb"#!.*\b(ba)?sh\b", file.readline()) is not None


def test_modules_stay_under_three_hundred_lines() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines >= MAX_MODULE_LINES} == {}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_fit_a_screen() -> None:
    lengths = {
        f"{relative(path)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in SOURCES
        for function in functions(path)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_module_names_say_something() -> None:
    assert [relative(path) for path in SOURCES if path.stem in EMPTY_NAMES] == []


def test_only_the_stage_catches_every_exception() -> None:
    catching = [
        relative(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "Exception"
    ]
    assert catching in ([], ["agent/stage.py"])


# architecture.md, rooms: what a pure module reaches neither itself nor through others.
IMPURE = {"agent.clock", "av", "cv2", "onnxruntime", "os", "paho", "psutil", "socket", "sqlite3", "subprocess"}
IMPURE |= {"threading", "time"}


def test_a_module_that_calls_itself_pure_is_pure() -> None:
    # What is imported for its types alone does not run.
    graph = grimp.build_graph("agent", include_external_packages=True, exclude_type_checking_imports=True)
    chains = {}
    for path in SOURCES:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if path.is_relative_to(ROOT / "agent") and re.search(r"\bPure\.", docstring):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for name in graph.find_upstream_modules(module) & IMPURE:
                chains[module] = graph.find_shortest_chain(module, name)
    assert chains == {}


def test_no_thread_is_a_daemon() -> None:
    daemons = [
        f"{relative(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "daemon"
        if not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert daemons == []


# Runs in a process of its own: the blocker stands for a machine where only the base install is.
_LIGHT_IMPORTS = """
import importlib, pkgutil, sys

HEAVY = {"av", "numpy", "cv2", "onnxruntime", "watchdog", "psutil", "onnx", "amqtt"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"{name} is not in the base install", name=name)

sys.meta_path.insert(0, Absent())
for package in sys.argv[1:]:
    top = importlib.import_module(package)
    for module in pkgutil.walk_packages(getattr(top, "__path__", []), package + "."):
        importlib.import_module(module.name)
"""


@pytest.mark.parametrize("package", ["agent.contract", "agent.centre", "agent.cli", "agent.messaging", "provisioning"])
def test_the_centres_side_imports_on_the_base_install(package: str) -> None:
    if not (ROOT / package.replace(".", "/") / "__init__.py").is_file():
        pytest.skip(f"{package} is not built yet")
    passes(sys.executable, "-c", _LIGHT_IMPORTS, package)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text(encoding="ascii")
    assert re.search(r"://|^-|\bfile:| @ ", text, re.MULTILINE) is None
    # One logical line a requirement: continuation lines carry its hashes.
    requirements = text.replace("\\\n", " ").splitlines()
    assert requirements
    assert [line for line in requirements if line and not re.search(r"--hash=sha256:[0-9a-f]{64}", line)] == []


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "provisioning" / "locks" / f"{name}.txt").read_text(encoding="ascii")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_bookworm_keeps_the_numpy_that_its_picamera2_was_built_against() -> None:
    versions = locked("bookworm")
    assert versions["numpy"].startswith("1.26.")
    assert tuple(map(int, versions["opencv-python-headless"].split(".")[:2])) < (4, 12)


def test_the_demos_lock_is_part_of_the_developers() -> None:
    assert locked("demo").items() <= locked("dev").items()


def test_every_lock_covers_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["node"]]
    names = {re.split(r"[<>=\[ ;]", requirement)[0] for requirement in asked}
    for lock in LOCKS:
        assert names - locked(lock.stem).keys() == set(), lock.name


def test_the_documents_name_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert named - targets == set()


def command_paths() -> set[str]:
    from typer.main import get_command

    from agent.cli.app import app

    top = get_command(app)
    paths: set[str] = set()
    for name, command in getattr(top, "commands", {}).items():
        paths |= {name, *(f"{name} {below}" for below in getattr(command, "commands", {}))}
    return paths


def test_the_readme_names_only_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    groups = {path.split()[0] for path in command_paths() if " " in path}
    named: set[str] = set()
    for row in readme.splitlines():
        for first, second in re.findall(r"`wayside ([a-z-]+)(?: ([a-z-]+))?", row):
            named.add(f"{first} {second}" if first in groups else first)
            if first in groups:
                named |= {f"{first} {below}" for below in re.findall(r", `([a-z-]+)`", row)}
    assert named
    assert named - command_paths() == set()


def test_wayside_provision_lists_what_it_is_for() -> None:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}
    argv = [sys.executable, "-m", "provisioning", "--help"]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, env=environment).stdout
    for command in ("office", "page", "doctor"):
        assert command in said
