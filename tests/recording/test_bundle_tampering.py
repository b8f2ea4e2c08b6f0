"""Whatever is done to a bundle, `verify` says so and says where, and no bytes break it."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.recording.bundle import BundleReport
from agent.recording.bundle_check import Verdict, check_bundle
from agent.recording.bundle_file import FindingKind
from agent.recording.manifest import sums_text
from agent.recording.signer import Signer
from agent.recording.zipform import ZipEntry, directory, is_safe_name, local_header
from tests.recording import evidence
from tests.recording.evidence import Files, bundle, make_signer, pack, unpack
from tests.recording.ring import Ring


@pytest.fixture
def copy(made: BundleReport, tmp_path: Path) -> Path:
    return Path(shutil.copy(made.path, tmp_path / "copy.zip"))


def change(path: Path, how: Callable[[Files], None]) -> Verdict:
    files = unpack(path)
    how(files)
    pack(path, files)
    return check_bundle(path)


def kinds(verdict: Verdict) -> set[str]:
    return {finding.kind.value for finding in verdict.findings}


def native(report: BundleReport, index: int = 0) -> tuple[str, list[int]]:
    """A native file and where its parts end."""
    file = [file for file in report.manifest.files if file.source][index]
    sizes = [part.bytes for part in file.parts]
    return file.path, [sum(sizes[: n + 1]) for n in range(len(sizes) - 1)]


def test_a_bit_flipped_in_a_fragment_names_the_fragment(copy: Path, made: BundleReport) -> None:
    name, cuts = native(made)

    def flip(files: Files) -> None:
        data = bytearray(files[name])
        data[(cuts[1] + cuts[2]) // 2] ^= 0x10
        files[name] = bytes(data)

    verdict = change(copy, flip)
    (finding,) = [each for each in verdict.findings if each.kind is FindingKind.FRAGMENT_ALTERED]
    assert (finding.path, finding.detail) == (name, "fragment 2 was changed")


def test_a_dropped_fragment_is_named(copy: Path, made: BundleReport) -> None:
    name, cuts = native(made)
    verdict = change(copy, lambda files: evidence.drop_fragment(name, cuts, 3, files))
    (finding,) = [each for each in verdict.findings if each.kind is FindingKind.FRAGMENT_MISSING]
    assert (finding.path, finding.detail) == (name, "fragment 3 is missing")


def test_two_swapped_fragments_are_named(copy: Path, made: BundleReport) -> None:
    name, cuts = native(made, 1)
    verdict = change(copy, lambda files: evidence.swap_fragments(name, cuts, (1, 3), files))
    (finding,) = [each for each in verdict.findings if each.kind is FindingKind.FRAGMENTS_SWAPPED]
    assert finding.path == name
    assert "fragment 1" in finding.detail
    assert "fragment 3" in finding.detail


def test_two_swapped_files_are_named(copy: Path, made: BundleReport) -> None:
    one, other = native(made)[0], native(made, 1)[0]

    def swap(files: Files) -> None:
        files[one], files[other] = files[other], files[one]

    found = [each for each in change(copy, swap).findings if each.kind is FindingKind.FILES_SWAPPED]
    assert {each.path for each in found} == {one, other}


def test_an_edited_manifest_is_named_even_with_corrected_sums(copy: Path) -> None:
    def forge(files: Files) -> None:
        files["manifest.json"] = files["manifest.json"].replace(b"123/2569", b"124/2569")

    verdict = change(copy, forge)
    assert kinds(verdict) == {"signature"}
    assert verdict.findings[0].path == "manifest.json"


def test_a_forger_with_a_key_of_their_own_is_named_against_the_centres_record(copy: Path, signer: Signer) -> None:
    mine = make_signer()

    def forge(files: Files) -> None:
        files["manifest.json"] = files["manifest.json"].replace(signer.fingerprint.encode(), mine.fingerprint.encode())
        files["manifest.json.sig"] = mine.sign(files["manifest.json"])
        files["signer.crt"] = mine.certificate

    change(copy, forge)
    assert "signer" in kinds(check_bundle(copy, signer=signer.fingerprint))
    assert "signer" in kinds(check_bundle(copy, authorities=signer.chain))
    assert kinds(check_bundle(copy)), "and the certificate is not the one that the manifest lists"


def test_a_node_that_lies_later_is_caught_by_its_own_chain(made: BundleReport, signer: Signer, tmp_path: Path) -> None:
    """The key's owner edits a segment after it was sealed and bundles again."""
    data_dir = Path(shutil.copytree(made.path.parent / "data", tmp_path / "data"))
    path = data_dir / next(file.source for file in made.manifest.files if file.source)
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)
    ring = Ring(data_dir)
    forged = bundle(ring, tmp_path / "forged.zip", signer)
    ring.close()
    assert kinds(check_bundle(forged.path)) == {"chain"}


def test_an_added_file_and_a_dropped_one_are_named(copy: Path, made: BundleReport) -> None:
    def both(files: Files) -> None:
        del files["meta/gaps.json"]
        files["native/c01/extra.mp4"] = b"x"

    found = {(each.kind.value, each.path) for each in change(copy, both).findings}
    assert {("missing", "meta/gaps.json"), ("extra", "native/c01/extra.mp4")} <= found


def test_a_name_that_leads_elsewhere_is_refused(copy: Path) -> None:
    verdict = change(copy, lambda files: files.update({"../../etc/passwd": b"x"}))
    assert "container" in kinds(verdict)
    assert not any(is_safe_name(name) for name in ("../a", "/a", "a/../b", "a//b", "", ".a", "a\\b", "a/" * 9 + "a"))


def test_no_random_mutation_is_missed(made: BundleReport, tmp_path: Path) -> None:
    """A thousand of them: `make faults ARGS=evidence`."""
    missed, kinds_met = evidence.campaign(made, tmp_path, int(os.environ.get("WAYSIDE_MUTATIONS", "50")), seed=4)
    assert missed == []
    assert len(kinds_met) > 5


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_break_the_checker(made: BundleReport, tmp_path: Path, data: st.DataObject) -> None:
    original = made.path.read_bytes()
    at = data.draw(st.integers(0, len(original)))
    noise = data.draw(st.binary(max_size=400))
    path = tmp_path / "noise.zip"
    path.write_bytes(data.draw(st.sampled_from([noise, original[:at] + noise, original[:at] + noise + original[at:]])))
    if path.read_bytes() != original:
        assert not check_bundle(path).is_sound


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifest=st.binary(max_size=300), chain=st.binary(max_size=300), seal=st.binary(max_size=300))
def test_no_papers_break_the_checker(
    made: BundleReport, tmp_path: Path, manifest: bytes, chain: bytes, seal: bytes
) -> None:
    files = unpack(made.path)
    for name in list(files):
        if name.startswith("meta/seals/"):
            files[name] = seal
    files["meta/chain/c01.jsonl"] = files["meta/custody.jsonl"] = chain
    files["signer.crt"] = chain
    pack(tmp_path / "papers.zip", files)
    assert not check_bundle(tmp_path / "papers.zip").is_sound
    pack(tmp_path / "papers.zip", {**files, "manifest.json": manifest, "SHA256SUMS": sums_text([])})
    assert not check_bundle(tmp_path / "papers.zip").is_sound


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["signer.crt", "chain.pem"]), at=st.integers(28, 400), value=st.integers(33, 126))
def test_no_certificate_breaks_the_checker(made: BundleReport, tmp_path: Path, name: str, at: int, value: int) -> None:
    """Found by the campaign: a curve that is none made the library raise what nobody expected."""
    files = unpack(made.path)
    changed = bytearray(files[name])
    changed[at] = value
    if bytes(changed) != files[name]:
        pack(tmp_path / "certificate.zip", {**files, name: bytes(changed)})
        assert not check_bundle(tmp_path / "certificate.zip").is_sound


def test_an_archive_beyond_four_gigabytes_is_in_the_form_that_others_read(tmp_path: Path) -> None:
    """Sparse, and only its directory is read here: hashing it takes seconds."""
    large = ZipEntry("native/c01/a.mp4", 5 << 30, 0, 0)
    small = ZipEntry("meta/x", 3, zlib.crc32(b"abc"), large.end)
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.write(local_header(large))
        file.truncate(large.end)
        file.seek(large.end)
        file.write(local_header(small) + b"abc" + directory([large, small], small.end))
    with zipfile.ZipFile(path) as archive:
        assert archive.read("meta/x") == b"abc"
        assert archive.getinfo("native/c01/a.mp4").file_size == large.size_bytes
