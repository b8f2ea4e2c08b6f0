"""What the C library has freed and keeps: given back, because a process that sees for a year may not grow by it.

Pictures of a megabyte and tensors come and go between small things that stay, so the heap of glibc keeps holes: a watch
grew by 14 % within six hours of footage, with the memory in use the same to a tenth of a MiB.
"""

from __future__ import annotations

import ctypes


def give_back() -> bool:
    """Whether anything was given back; never where the C library knows no malloc_trim(3). Some ms, on any thread."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(trim(0))
