"""`python -m agent.processes.ring --config FILE`: make the ring's folders and claim the number of this boot.

Before the cameras in the field (wayside-ring.service), so that a camera needs to write nowhere but into its own folder.
Exit codes: 0 done, 1 there is no ring (its disk is not mounted, or refuses), 2 the configuration is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import log
from agent.errors import WaysideError, exit_code
from agent.processes.entry import load_config
from agent.recording.boot import claim_boot, ensure_ring
from agent.recording.folder import disk_error

_log = log.get("ring")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m agent.processes.ring", description="The ring, before its cameras.")
    parser.add_argument("--config", type=Path, required=True)
    path: Path = parser.parse_args(argv).config
    try:
        config = load_config(path)
        data_dir = Path(config.data_dir)
        ring = ensure_ring(data_dir, config.storage.ring_id)
        boot = claim_boot(data_dir)
        for camera in config.cameras:
            (data_dir / "footage" / camera.id).mkdir(exist_ok=True)
    except WaysideError as exc:
        sys.stderr.write(f"wayside: {exc}\n")
        return exit_code(exc)
    except OSError as exc:
        sys.stderr.write(f"wayside: {disk_error(exc)}\n")
        return 1
    log.setup()
    _log.info("ring is there", ring=ring, boot=boot.boot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
