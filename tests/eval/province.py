"""How long an office takes for a province: `python -m tests.eval.province` prints one JSON object. Not a test.

378 points, 943 cameras, three organisations: register, a work order for each, the labels of 378 boxes and 378 poles, by
the commands that an office types.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.contract.wire import encode
from tests.authority.applicant import Applicant
from tests.authority.test_register_file import province

POINTS = 378


def seconds(office: Path, *argv: str) -> float:
    whole = [sys.executable, "-m", "provisioning", "office", *argv, "--office", str(office)]
    start = time.perf_counter()
    subprocess.run(whole, check=True, stdout=sys.stderr)
    return round(time.perf_counter() - start, 1)


def boot_partitions(folder: Path) -> list[str]:
    """A label of each box, as its first boot leaves it."""
    for n in range(POINTS):
        (folder / f"boot-{n}").mkdir()
        (folder / f"boot-{n}" / "wayside-label.json").write_bytes(encode(Applicant().label()))
    return [str(folder / f"boot-{n}") for n in range(POINTS)]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, office = Path(name), Path(name) / "office"
        (folder / "register.csv").write_bytes(province("utf-8-sig"))
        boxes = boot_partitions(folder)
        addresses = "--enrol-url", "https://centre.example:8443", "--broker", "mqtts://centre.example:8883"
        measured = {
            "init_s": seconds(office, "init", *addresses),
            "register_s": seconds(office, "site", "import", str(folder / "register.csv")),
            "orders_s": seconds(office, "order", "--all"),
            "pole_labels_s": seconds(office, "label", "--all"),
            "box_labels_s": seconds(office, "label", *boxes),
        }
    print(json.dumps({"sites": POINTS, **measured, "total_s": round(sum(measured.values()), 1)}))


if __name__ == "__main__":
    main()
