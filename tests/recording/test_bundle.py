"""A bundle is what the node signed, or `verify` names what is not; and anybody can check it with stock tools."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.footage import app
from agent.recording.book import Book
from agent.recording.bundle import BundleReport
from agent.recording.bundle_check import Verdict, check_bundle
from agent.recording.bundle_readme import BEGIN, END
from agent.recording.clipfile import verify_clip
from agent.recording.signer import Signer
from agent.signing import key_to_pem
from tests.recording import evidence
from tests.recording.evidence import bundle, make_signer, record_and_seal, unpack
from tests.recording.ring import Ring

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def kinds(verdict: Verdict) -> set[str]:
    return {finding.kind.value for finding in verdict.findings}


def test_a_bundle_is_sound_and_holds_whole_segments_byte_for_byte(made: BundleReport, tmp_path: Path) -> None:
    verdict = check_bundle(made.path)
    assert verdict.findings == ()
    assert verdict.is_vouched
    files = unpack(made.path)
    data_dir = made.path.parent / "data"
    sources = [file for file in made.manifest.files if file.source]
    assert len(sources) == 2
    for file in sources:
        assert files[file.path] == (data_dir / file.source).read_bytes()
        assert len(file.parts) >= 5, "head and a fragment each second"
    (tmp_path / "view.mp4").write_bytes(files["view/c01.mp4"])
    assert verify_clip(tmp_path / "view.mp4").camera == "c01"
    assert (made.manifest.unchained, made.manifest.unsealed) == ((), 0)
    assert len([name for name in files if name.startswith("meta/seals/")]) == 4, "two seals with their signatures"
    assert b'"actor":"mali"' in files["meta/custody.jsonl"]
    assert list(files)[:6] == [
        "README.txt", "manifest.json", "manifest.json.sig", "signer.crt", "chain.pem", "SHA256SUMS",
    ]  # fmt: skip


def test_the_same_footage_gives_the_same_files_in_the_same_order(made: BundleReport, signer: Signer) -> None:
    data_dir = made.path.parent / "data"
    ring = Ring(data_dir)
    again = bundle(ring, made.path.with_name("again.zip"), signer)
    ring.close()
    one, other = unpack(made.path), unpack(again.path)
    assert list(one) == list(other)
    assert {name for name in one if one[name] != other[name]} == {"manifest.json.sig"}, "ECDSA draws a number"


def test_stock_tools_read_the_archive(made: BundleReport) -> None:
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
    if shutil.which("unzip"):
        assert subprocess.run(["unzip", "-tq", made.path], capture_output=True, check=False).returncode == 0


def readme_lines(folder: Path) -> list[str]:
    text = (folder / "README.txt").read_text(encoding="utf-8")
    return text.split(BEGIN)[1].split(END)[0].strip().splitlines()


def run_readme(folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Each line as a person would type it, with the unpacked folder's own place for the key."""
    runs = []
    for line in readme_lines(folder):
        own = line.replace("/tmp/signer.pub", str(folder.parent / "signer.pub"))
        runs.append(subprocess.run(["bash", "-c", own], cwd=folder, capture_output=True, text=True, check=False))
    return runs


def test_the_lines_of_the_readme_run_as_they_stand(made: BundleReport, signer: Signer, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(folder)
    lines = readme_lines(folder)
    assert len(lines) <= 10
    runs = run_readme(folder)
    assert [run.returncode for run in runs] == [0] * len(lines), [run.stderr for run in runs]
    output = "\n".join(run.stdout for run in runs)
    assert "1 files: OK" in output
    assert "2 list: OK" in output
    assert output.count("Verified OK") == 3, "the manifest and two seals"
    assert signer.fingerprint in output
    assert "signer.crt: OK" in output


@pytest.mark.parametrize("name", ["manifest.json", "SHA256SUMS", "view/c01.mp4", "meta/gaps.json", "signer.crt"])
def test_the_lines_of_the_readme_fail_when_a_file_was_changed(made: BundleReport, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert any(run.returncode for run in run_readme(folder))


def test_an_unsigned_bundle_says_that_it_proves_nothing(ring: Ring, tmp_path: Path) -> None:
    record_and_seal(ring, None)
    report = bundle(ring, tmp_path / "unsigned.zip", None)
    assert kinds(check_bundle(report.path)) == {"unsigned"}
    assert "WARNING" in unpack(report.path)["README.txt"].decode()


def test_a_key_without_certificate_signs_for_itself(ring: Ring, tmp_path: Path) -> None:
    alone = Signer(make_signer().key)
    record_and_seal(ring, alone)
    report = bundle(ring, tmp_path / "alone.zip", alone)
    verdict = check_bundle(report.path, signer=alone.fingerprint)
    assert verdict.is_sound
    assert not verdict.is_vouched
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(report.path) as archive:
        archive.extractall(folder)
    assert not any(run.returncode for run in run_readme(folder))


def test_the_commands_make_verify_and_remember(ring: Ring, signer: Signer, tmp_path: Path) -> None:
    record_and_seal(ring, signer)
    home = tmp_path / "home"
    home.mkdir()
    (home / "node.key").write_bytes(key_to_pem(signer.key))
    (home / "node.pem").write_bytes(signer.certificate)
    (tmp_path / "ca.pem").write_bytes(signer.chain)
    out = tmp_path / "case.zip"

    def run(*arguments: str | Path) -> dict[str, object]:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout.splitlines()[-1]))

    times = ("--from", "2026-11-22T14:03:01Z", "--to", "2026-11-22T21:03:07+07:00")
    args = ("bundle", "--data", ring.data_dir, "--camera", "c01", *times, "--out", out, "--case", "7", "--json")
    answer = run(*args, "--home", home)
    assert answer["signer"] == signer.fingerprint
    verdict = run("verify", out, "--authority", tmp_path / "ca.pem", "--signer", signer.fingerprint, "--json")
    assert (verdict["sound"], verdict["vouched"]) == (True, True)
    last = run("custody", "--data", ring.data_dir, "--json")
    assert (last["act"], last["case_ref"], last["camera"]) == ("bundled", "7", "c01")
    assert b'"act":"bundled"' in unpack(out)["meta/custody.jsonl"]
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    result = CliRunner().invoke(app, ["verify", str(out)])
    assert result.exit_code == 1
    assert "NOT what was signed" in result.stdout


def test_custody_that_was_edited_is_told(ring: Ring) -> None:
    record_and_seal(ring, None)
    record_and_seal_again = Book(ring.data_dir, "custody")
    record_and_seal_again.append([link for line in [*record_and_seal_again.lines()] if (link := _access(line))])
    (path,) = record_and_seal_again.folder.iterdir()
    path.write_bytes(path.read_bytes().replace(b"mali", b"dara", 1))
    assert CliRunner().invoke(app, ["custody", "--data", str(ring.data_dir)]).exit_code == 1


def _access(line: bytes) -> evidence.AccessLink | None:
    from agent.recording.chain import read_link

    link = read_link(line)
    return link if isinstance(link, evidence.AccessLink) else None
