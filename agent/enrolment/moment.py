"""Time that no wrong clock can bend: the kernel's boot id and seconds since that boot."""

from __future__ import annotations

import time
from dataclasses import dataclass

from agent.clock import kernel_boot_id


@dataclass(frozen=True, slots=True)
class BootMoment:
    """`mono_s` is CLOCK_MONOTONIC, which starts with the boot `boot_id`; moments of two boots cannot be subtracted."""

    boot_id: str
    mono_s: float


def now() -> BootMoment:
    return BootMoment(kernel_boot_id(), time.monotonic())
