"""A virtual machine (qemu, tcg) that runs this checkout's agent, and whose power can be cut.

Kernel and modules are Debian's cloud kernel, fetched by apt into a cache; its root is a read-only image of this very
Python with what it needs, so guest and host run the same code. Needs qemu-system-x86, busybox-static, cpio, e2fsprogs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.broker import wait_until

_CACHE: Final = Path.home() / ".cache" / "wayside-rigs"
_ROOT: Final = Path(__file__).resolve().parents[2]
_TOOLS: Final = ("qemu-system-x86_64", "busybox", "cpio", "mke2fs", "apt-get", "dpkg-deb")
# In the order in which they need each other; ext4 is built in.
_MODULES: Final = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"),
    *("rng-core", "virtio-rng"),
)
# Tools of a developer's machine, which are two thirds of the environment's bytes.
_LEFT_OUT: Final = re.compile(
    r"playwright|mypy|.*mypyc|pip$|setuptools|pkg_resources|onnx$|hypothesis|ruff|grimp|moto|boto|test$|tests$"
    r"|idlelib|tkinter|lib2to3|site-packages|config-3\.\d+-.*|torch|nvidia|.*\.a$"
)
_INIT: Final = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /modules/$module.ko; done
/bin/busybox mount -t ext4 -o ro,noload /dev/vda /root
/bin/busybox mount -t ext4 /dev/vdb /root/ring || echo 'WAYSIDE broken cannot mount the ring'
/bin/busybox mount -t proc proc /root/proc
/bin/busybox mount -t sysfs sys /root/sys
/bin/busybox mount -t devtmpfs dev /root/dev
/bin/busybox mount -t tmpfs run /root/run
/bin/busybox mount -t tmpfs tmp /root/tmp
/bin/busybox ifconfig lo 127.0.0.1 up
exec /bin/busybox chroot /root /bin/busybox env -i HOME=/tmp LANG=C.UTF-8 PYTHONPATH={root} \
    {python} -P -m tests.faults.in_guest
"""


@dataclass(frozen=True, slots=True)
class GuestImage:
    kernel: Path
    initrd: Path
    root: Path


def missing_tools() -> list[str]:
    return [tool for tool in _TOOLS if shutil.which(tool) is None]


def make_image(folder: Path) -> GuestImage:
    """A minute: mostly the copying of libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    kernel = _kernel()
    (vmlinuz,) = (kernel / "boot").glob("vmlinuz-*")
    return GuestImage(vmlinuz, _initrd(folder, kernel), _root_image(folder))


def _kernel() -> Path:
    """The newest cloud kernel of this machine's Debian, unpacked."""
    told = subprocess.run(
        ["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=True
    )
    found = re.search(r"Depends: (linux-image-\S+)", told.stdout)
    assert found is not None, told
    folder = _CACHE / found[1]
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        part.mkdir(parents=True)
        subprocess.run(["apt-get", "-q", "download", found[1]], cwd=part, check=True, capture_output=True)
        (package,) = part.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), str(part)], check=True)
        package.unlink()
        part.rename(folder)
    return folder


def _initrd(folder: Path, kernel: Path) -> Path:
    tree = folder / "initrd"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy2(shutil.which("busybox") or "", tree / "bin" / "busybox")
    there = {path.stem: path for path in (kernel / "lib" / "modules").rglob("*.ko")}
    names = [name for name in _MODULES if name in there]
    for name in names:
        shutil.copy2(there[name], tree / "modules" / f"{name}.ko")
    init = tree / "init"
    init.write_text(_INIT.format(modules=" ".join(names), root=_ROOT, python=Path(sys.prefix) / "bin" / "python"))
    init.chmod(0o755)
    out = folder / "initrd.cpio"
    listed = "\n".join(str(path.relative_to(tree)) for path in (tree, *sorted(tree.rglob("*"))))
    argv = ["cpio", "--quiet", "-o", "-H", "newc"]
    out.write_bytes(subprocess.run(argv, input=listed.encode(), cwd=tree, capture_output=True, check=True).stdout)
    return out


def _root_image(folder: Path) -> Path:
    tree = folder / "root"
    for name in ("ring", "proc", "sys", "dev", "run", "tmp", "bin", "etc"):
        (tree / name).mkdir(parents=True)
    shutil.copy2(shutil.which("busybox") or "", tree / "bin" / "busybox")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix, base = Path(sys.prefix), Path(sys.base_prefix)
    for source in (
        *(base / "bin" / version, base / "lib" / version),
        *(prefix / "pyvenv.cfg", prefix / "bin" / "python", prefix / "bin" / version, prefix / "bin" / "python3"),
        *(prefix / "lib" / version / "site-packages", _ROOT / "agent", _ROOT / "tests" / "faults" / "in_guest.py"),
    ):
        _copy(source, tree)
    for package in (_ROOT / "tests", _ROOT / "tests" / "faults"):
        _copy(package / "__init__.py", tree)
    for library in sorted(_libraries(tree)):
        _copy(library, tree)
    _compile(tree)
    image = folder / "root.img"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree), str(image), "3g"], check=True)
    shutil.rmtree(tree)
    return image


def _compile(tree: Path) -> None:
    """As pip does on a node: an emulated machine would spend most of each start on compiling."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    for top in (_ROOT, Path(sys.prefix) / "lib", Path(sys.base_prefix) / "lib"):
        inside = tree / str(top).lstrip("/")
        argv = [sys.executable, "-m", "compileall", "-q", "-j", "2", "-s", str(tree), "-p", "/", str(inside)]
        # Some packages carry files for other versions of the language.
        subprocess.run(argv, env=environment, capture_output=True, check=False)


def _copy(source: Path, tree: Path) -> None:
    """To the same place below `tree`; links stay links, and what they lead to comes along."""
    target = tree / str(source).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        if not target.is_symlink():
            target.symlink_to(source.readlink())
        _copy(source.parent / source.readlink(), tree)
    elif source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=_ignored, dirs_exist_ok=True)
    elif not target.exists():
        shutil.copy2(source, target)


def _ignored(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if _LEFT_OUT.match(name)}


def _libraries(tree: Path) -> Iterator[Path]:
    """Shared libraries of the host that binaries in the tree ask for."""
    binaries = [
        path for path in tree.rglob("*") if path.is_file() and (".so" in path.name or path.parent.name == "bin")
    ]
    # As they stand on the host: a library finds its neighbours by its own place.
    argv = ["ldd", *(str(Path("/") / path.relative_to(tree)) for path in binaries)]
    told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    for found in set(re.findall(r"(?:=> |^\t)(/\S+)", told, re.MULTILINE)):
        if not (tree / found.lstrip("/")).exists():
            yield Path(found)


class Guest:
    """One boot of the machine. `disk` is the address of its ring's disk (tests.rigs.cached_disk)."""

    def __init__(self, image: GuestImage, disk: Path, log: Path) -> None:
        nbd = (
            f"driver=raw,node-name=ring,cache.direct=off,file.driver=nbd,file.server.type=unix,file.server.path={disk}"
        )
        argv = [
            *("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "2048", "-nographic"),
            *("-no-reboot", "-net", "none", "-monitor", "none", "-serial", "stdio", "-device", "virtio-rng-pci"),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
            *("-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off"),
            *("-drive", f"file={image.root},format=raw,if=none,id=root,readonly=on"),
            # In this order: they become vda and vdb.
            *("-device", "virtio-blk-pci,drive=root"),
            *("-blockdev", nbd, "-device", "virtio-blk-pci,drive=ring,write-cache=on"),
        ]
        self._log = log.open("ab")
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log)
        self._told: dict[str, str] = {}
        # The guest's wall clock and this host's monotonic one, at the last tick.
        self._tick = (0, 0)
        self._reader = threading.Thread(target=self._read, name="console")
        self._reader.start()

    def wait_for(self, word: str, limit_s: float) -> str:
        """What the guest said with this word."""
        wait_until(
            lambda: word in self._told or "broken" in self._told or self._process.poll() is not None,
            f"the guest never said {word}",
            limit_s=limit_s,
        )
        assert word in self._told, (word, self._told)
        return self._told[word]

    def cut_power(self) -> int:
        """SIGKILL; the guest's wall clock at that moment, in ns."""
        wall_ns, at_mono_ns = self._tick
        self._process.kill()
        killed_mono_ns = time.monotonic_ns()
        self._process.wait()
        self._reader.join()
        self._log.close()
        return wall_ns + killed_mono_ns - at_mono_ns

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as console:
            for line in console:
                words = line.decode(errors="replace").split(maxsplit=2)
                if len(words) == 3 and words[:2] == ["WAYSIDE", "tick"]:
                    self._tick = (int(words[2]), time.monotonic_ns())
                    continue
                if len(words) == 3 and words[0] == "WAYSIDE":
                    self._told[words[1]] = words[2].strip()
                self._log.write(line)
                self._log.flush()
