"""A bundle is believed when the release key signed it and every byte is the one that was signed; else refused whole."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import release_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_bundle import read_bundle, unpack
from release_manifest import TOP_FILES, TOP_FOLDERS, BundleRefused, ReleaseError, decode_manifest, is_safe_name

from provisioning.release import archive
from tests.release.bundles import FILES, RELEASE, Maker


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def whole(maker: Maker) -> bytes:
    return maker.write(maker.parts(), "whole.tar").read_bytes()


def refusal(maker: Maker, content: bytes | Path, floor: str = "0.0.0") -> str:
    """The reason for which this is refused; empty when it is taken."""
    path = content if isinstance(content, Path) else maker.folder / "tried.tar"
    if isinstance(content, bytes):
        path.write_bytes(content)
    try:
        read_bundle(path, maker.public_key, floor=floor)
    except BundleRefused as exc:
        assert str(exc)
        return exc.reason
    return ""


def test_a_whole_bundle_is_taken_and_unpacked_byte_for_byte(maker: Maker, whole: bytes, tmp_path: Path) -> None:
    bundle = tmp_path / "whole.tar"
    bundle.write_bytes(whole)
    manifest = unpack(bundle, maker.public_key, tmp_path / "out", floor="1.0.0", wanted=lambda name: "x86" not in name)
    assert (manifest.version, manifest.floor, list(manifest.files)) == ("1.2.3", "1.0.0", sorted(FILES))
    wanted = {name: content for name, content in FILES.items() if "x86" not in name}
    assert {name: (tmp_path / "out" / name).read_bytes() for name in wanted} == wanted
    assert not (tmp_path / "out" / "wheels" / "x86_64").exists()
    assert (tmp_path / "out" / "firmware_scripts" / "update").stat().st_mode & 0o777 == 0o755


def test_stock_tar_and_openssl_read_it_too(maker: Maker, whole: bytes, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert tar.getnames() == ["manifest.json", "manifest.sig", *sorted(FILES)]
        tar.extractall(tmp_path, filter="data")
    argv = ["openssl", "dgst", "-sha256", "-verify", maker.public_key, "-signature", "manifest.sig", "manifest.json"]
    assert subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "Verified OK\n"
    files = json.loads((tmp_path / "manifest.json").read_bytes())["files"]
    assert files == {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in FILES}


def test_the_same_files_make_the_same_bundle_to_the_byte(maker: Maker, whole: bytes) -> None:
    assert maker.write(maker.parts(), "again.tar").read_bytes() == whole


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_that_is_changed_has_the_bundle_refused(maker: Maker, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = bytearray(whole)
    damaged[at] ^= flip
    assert refusal(maker, bytes(damaged))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_bundle_that_was_cut_off_or_goes_on_is_refused(maker: Maker, whole: bytes, data: st.DataObject) -> None:
    assert refusal(maker, whole[: data.draw(st.integers(0, len(whole) - 1))])
    tail = data.draw(st.binary(min_size=1, max_size=2000).filter(any))
    assert refusal(maker, whole + tail) == "extra_file"


def test_tars_own_filling_behind_the_end_is_no_harm(maker: Maker, whole: bytes) -> None:
    assert refusal(maker, whole + bytes(-len(whole) % 10240)) == ""


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "wrong_header"),
        ({"type": tarfile.LNKTYPE, "linkname": "manifest.json"}, "wrong_header"),
        ({"type": tarfile.DIRTYPE}, "wrong_member"),
        ({"type": tarfile.CHRTYPE}, "wrong_header"),
        ({"mode": 0o4755}, "wrong_header"),
        ({"uid": 1000}, "wrong_header"),
        ({"name": "../sbom.cdx.json"}, "wrong_member"),
        ({"name": "/etc/cron.d/x"}, "wrong_member"),
        ({"name": "wheels/../../x"}, "wrong_member"),
    ],
)
def test_a_member_that_is_not_the_plain_file_it_should_be_is_refused(
    maker: Maker, whole: bytes, member: dict[str, object], reason: str
) -> None:
    info = tarfile.TarInfo("sbom.cdx.json")
    info.size = len(FILES["sbom.cdx.json"])
    for key, value in member.items():
        setattr(info, key, value)
    original = archive.header("sbom.cdx.json", info.size)
    assert whole.count(original) == 1
    assert refusal(maker, whole.replace(original, info.tobuf(tarfile.USTAR_FORMAT))) == reason


def test_files_that_are_missing_extra_or_exchanged_are_refused(maker: Maker) -> None:
    parts = maker.parts()
    names = list(parts.files)
    fewer = {name: parts.files[name] for name in names[1:]}
    more = {**parts.files, "models/extra.onnx": parts.files[names[0]]}
    last = {**parts.files, "wheels/zz.whl": parts.files[names[0]]}
    changed = maker.folder / "changed"
    changed.write_bytes(b"[]\n")
    wrong = {**parts.files, "models/manifest.json": changed}
    assert refusal(maker, maker.write(replace(parts, files=fewer))) == "wrong_member"
    assert refusal(maker, maker.write(replace(parts, files=more))) == "wrong_member"
    assert refusal(maker, maker.write(replace(parts, files=last))) == "extra_file"
    assert refusal(maker, maker.write(replace(parts, files=wrong))) == "wrong_hash"


def test_another_key_signs_nothing_here(maker: Maker, tmp_path: Path) -> None:
    stranger = Maker(tmp_path)
    assert refusal(maker, stranger.write(stranger.parts())) == "wrong_signature"


@pytest.mark.parametrize("signature", [b"", b"\x30\x06\x02\x01\x01\x02\x01\x01", bytes(70)])
def test_a_signature_that_is_none_is_refused(maker: Maker, signature: bytes) -> None:
    assert refusal(maker, maker.write(replace(maker.parts(), signature=signature))) == "wrong_signature"


def test_a_signature_is_asked_for_before_anything_else_is_read(maker: Maker, whole: bytes) -> None:
    # Garbage behind the signature is not reached.
    manifest = maker.parts().manifest
    cut = 512 + len(manifest) + -len(manifest) % 512 + 1024
    forged = whole[:512] + manifest.replace(b"1.2.3", b"9.9.9") + whole[512 + len(manifest) : cut] + b"garbage" * 99
    assert refusal(maker, forged) == "wrong_signature"


def test_a_version_below_the_nodes_floor_is_refused(maker: Maker, whole: bytes) -> None:
    assert refusal(maker, whole, floor="1.2.3") == ""
    assert refusal(maker, whole, floor="1.2.4") == "below_floor"
    assert refusal(maker, whole, floor="1.10.0") == "below_floor"


def test_without_the_release_key_there_is_no_trust(maker: Maker, whole: bytes, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar"
    bundle.write_bytes(whole)
    with pytest.raises(ReleaseError, match="release key"):
        read_bundle(bundle, tmp_path / "none.pem")


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"version": "1.2"},
        {"version": "1.2.3-rc1"},
        {"floor": "2.0.0"},
        {"signed_with": "nobody"},
        {"built_at": "yesterday"},
        {"total_bytes": -1},
        {"total_bytes": 1 << 40},
        {"locks": {"3.11": "locks/none.txt"}},
        {"locks": []},
        {"files": {}},
        {"files": {"models/x": "00"}},
        {"files": {"../x": "0" * 64}},
        {"files": {"etc/x": "0" * 64}},
        {"files": {"wheels/b": "0" * 64, "wheels/a": "0" * 64}},
        {"more": 1},
    ],
)
def test_a_signed_manifest_that_says_nonsense_is_refused(maker: Maker, changes: dict[str, object]) -> None:
    parts = maker.parts()
    manifest = json.dumps({**json.loads(parts.manifest), **changes}).encode()
    assert refusal(maker, maker.write(maker.signed(manifest, parts))) == "malformed"


@pytest.mark.parametrize("size", ["total_bytes"])
def test_a_bundle_whose_size_is_not_the_signed_one_is_refused(maker: Maker, size: str) -> None:
    parts = maker.parts()
    told = json.loads(parts.manifest)
    more = json.dumps({**told, size: told[size] + 1}).encode()
    less = json.dumps({**told, size: told[size] - 1}).encode()
    assert refusal(maker, maker.write(maker.signed(more, parts))) == "wrong_size"
    assert refusal(maker, maker.write(maker.signed(less, parts))) == "oversize"


@given(
    st.binary(max_size=300)
    | st.text().map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_manifest_of_anything_is_refused_and_never_crashes(raw: bytes) -> None:
    with pytest.raises(BundleRefused):
        decode_manifest(raw)


@given(
    st.sampled_from(["v", "version", "build", "floor", "built_at", "signed_with", "locks", "total_bytes", "files"]),
    st.none() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()) | st.text(alphabet="/ \n", min_size=1),
)
def test_a_field_of_another_kind_is_refused(key: str, value: object) -> None:
    told = {
        "v": 1,
        "version": "1.2.3",
        "build": "t",
        "floor": "1.0.0",
        "built_at": "2026-11-23T00:00:00Z",
        "signed_with": "release",
        "locks": {"3.11": "locks/a.txt"},
        "total_bytes": 1,
        "files": {"locks/a.txt": "0" * 64},
    }
    decode_manifest(json.dumps(told).encode())
    if value == told[key]:
        return
    with pytest.raises(BundleRefused):
        decode_manifest(json.dumps({**told, key: value}).encode())


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", ".", "", "wheels", "a", "models", "~", "-x", "\0", "\\"])).map("/".join)
)
def test_a_name_stays_below_its_folder(name: str) -> None:
    if is_safe_name(name):
        base = Path("/slot")
        assert (base / name).resolve().is_relative_to(base)
        assert name.split("/", maxsplit=1)[0] in (*TOP_FOLDERS, *TOP_FILES)
        assert name.isprintable()
        assert name.isascii()


@given(
    st.sampled_from(["wheels/any/", "firmware_scripts/", "firmware_scripts/units/", ""]),
    st.integers(1, 190),
    st.integers(0, 1 << 31),
)
def test_writer_and_reader_agree_on_every_header(folder: str, length: int, size: int) -> None:
    name = folder + "n" * length
    try:
        ours = archive.header(name, size)
    except Exception as exc:  # noqa: BLE001 - whichever refuses, both must
        with pytest.raises(BundleRefused):
            release_bundle.header(name, size)
        assert "too long" in str(exc)
        return
    assert ours == release_bundle.header(name, size)
    info = tarfile.TarInfo.frombuf(ours, "ascii", "strict")
    assert (info.name, info.size, info.isreg()) == (name, size, True)


def test_a_bundle_that_changes_between_the_readings_leaves_nothing_believed(maker: Maker, tmp_path: Path) -> None:
    bundle = maker.write(maker.parts(), "changing.tar")
    other = maker.parts(replace(RELEASE, version="1.2.4"))

    def wanted(name: str) -> bool:
        if name == "firmware_scripts/update":
            maker.write(other, "changing.tar")
        return True

    # The open file stays the old one: what is written is what is proven, whichever file has the name now.
    manifest = unpack(bundle, maker.public_key, tmp_path, floor="0.0.0", wanted=wanted)
    assert manifest.version == "1.2.3"
