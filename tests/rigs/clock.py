"""A machine whose wall clock a test sets: libfaketime moves it and leaves monotonic time alone; a small library says
what the kernel would say of its synchronisation (adjtimex(2)). Nothing outside the given processes is touched."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
)
_ADJTIMEX = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
int adjtimex(struct timex *told) {
    FILE *synced = fopen(getenv("PLAYED_CLOCK_SYNCED"), "r");
    memset(told, 0, sizeof *told);
    told->status = synced ? STA_PLL : STA_UNSYNC;
    told->maxerror = 5000;
    if (synced) fclose(synced);
    return synced ? TIME_OK : TIME_ERROR;
}
"""


class PlayedClock:
    """`environment` is for the processes that shall live by it."""

    def __init__(self, folder: Path) -> None:
        library = next((each for each in _LIBRARIES if Path(each).exists()), None)
        compiler = shutil.which("cc")
        if library is None or compiler is None:
            pytest.skip("libfaketime or a C compiler is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        source, shim = folder / "adjtimex.c", folder / "adjtimex.so"
        source.write_text(_ADJTIMEX)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(shim), str(source)], check=True)
        self._offset = folder / "offset"
        self._synced = folder / "synced"
        self.environment = {
            "LD_PRELOAD": f"{library} {shim}",
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PLAYED_CLOCK_SYNCED": str(self._synced),
        }

    def set(self, offset_s: float, *, is_synced: bool) -> None:
        """From now on the wall clock is `offset_s` ahead of the true one."""
        # Renamed into place: a process that reads half a number would leap.
        fresh = self._offset.with_suffix(".new")
        fresh.write_text(f"{offset_s:+.3f}\n")
        fresh.replace(self._offset)
        if is_synced:
            self._synced.touch()
        else:
            self._synced.unlink(missing_ok=True)

    def set_to(self, wall_s: float, *, is_synced: bool) -> None:
        self.set(wall_s - time.time(), is_synced=is_synced)
