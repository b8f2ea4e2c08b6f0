"""A process gives up what it needs no more: to open files, to talk to anybody new, to begin or end other processes.

The eye decodes a stranger's bits beside the node's keys; after this it can use the descriptors that it holds, and
nothing else. Source: seccomp(2), the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF_0000
_REFUSE: Final = 0x0005_0000 | errno.EPERM
# <linux/bpf_common.h>: load a word of struct seccomp_data, compare, return.
_LOAD: Final = 0x20
_IF_EQUAL: Final = 0x15
_IF_GREATER_EQUAL: Final = 0x35
_RETURN: Final = 0x06
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
# x32's numbers begin here: the same calls by other names.
_X32: Final = 0x4000_0000


@dataclass(frozen=True, slots=True)
class _Machine:
    """`architecture` as in <linux/audit.h>, `calls` the numbers of its table."""

    architecture: int
    calls: tuple[int, ...]


# Open, create, link, rename, remove, truncate, change mode and owner; socket, bind, connect, listen; execute; look into
# or end another process; io_uring, which does all of that by itself; mount and name spaces.
_MACHINES: Final = {
    "x86_64": _Machine(
        0xC000_003E,
        (
            *(2, 85, 257, 437, 304),
            *(76, 82, 83, 84, 86, 87, 88, 90, 92, 94, 258, 260, 263, 264, 265, 266, 268, 316, 452),
            *(41, 42, 49, 50),
            *(59, 322, 101, 310, 311, 62, 200, 424, 438),
            *(425, 426, 427, 165, 166, 272, 308, 428, 429, 430),
        ),
    ),
    "aarch64": _Machine(
        0xC000_00B7,
        (
            *(56, 437, 265),
            *(34, 35, 36, 37, 38, 45, 53, 54, 276, 452),
            *(198, 200, 201, 203),
            *(221, 281, 117, 270, 271, 129, 130, 424, 438),
            *(425, 426, 427, 39, 40, 97, 268, 428, 429, 430),
        ),
    ),
}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("count", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def confine() -> bool:
    """Give it up for good, in this thread and those begun by it. False where the kernel or the machine knows no such
    thing; then nothing changed."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    code = ctypes.create_string_buffer(filter_program(machine.architecture, machine.calls))
    program = _Program((len(code) - 1) // 8, ctypes.cast(code, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return int(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)) == 0


def filter_program(architecture: int, calls: Sequence[int]) -> bytes:
    """Refuse these calls, and every call of another architecture. Pure."""
    # Jumps count instructions from the next one; behind the comparisons stand "allow" and then "refuse".
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 0, len(calls) + 3, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_GREATER_EQUAL, len(calls) + 1, 0, _X32),
        *((_IF_EQUAL, len(calls) - at, 0, call) for at, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
