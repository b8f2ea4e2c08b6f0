"""The papers as stock openssl sees them, and as a strict reader of RFC 5280 does."""

from __future__ import annotations

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.authority.office import Office
from agent.enrolment.configuration import LocalPaths, merge
from agent.errors import RegisterError
from tests.authority.applicant import NOW_S, ORG, SITE, Applicant, grant_of


def certificate_of(office: Office, box: Applicant) -> x509.Certificate:
    made = office.make_order(SITE, now_s=NOW_S, label=box.label())
    grant = grant_of(office, office.enrol(box.request(made), now_s=NOW_S))
    return x509.load_pem_x509_certificate(grant.certificate.encode())


def test_a_nodes_certificate_says_who_it_is_and_nothing_more(office: Office) -> None:
    box = Applicant()
    found = certificate_of(office, box)
    assert found.subject.rfc4514_string() == f"CN={box.node},O={ORG}"
    assert found.not_valid_before_utc == datetime.fromtimestamp(NOW_S - 3600, UTC)
    assert found.not_valid_after_utc - datetime.fromtimestamp(NOW_S, UTC) == timedelta(days=90)
    extension = found.extensions.get_extension_for_class
    assert extension(x509.BasicConstraints).value == x509.BasicConstraints(ca=False, path_length=None)
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = extension(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    names = extension(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:wayside:{ORG}:{SITE}:{box.node}"]
    issuer = x509.load_pem_x509_certificate(office.anchors(ORG).ca.encode())
    found.verify_directly_issued_by(issuer)
    subject_key = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert extension(x509.AuthorityKeyIdentifier).value.key_identifier == subject_key.digest


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_believes_a_node_until_it_is_revoked(office: Office, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    box = Applicant()
    node, trusted = tmp_path / "node.pem", tmp_path / "trusted.pem"
    node.write_bytes(certificate_of(office, box).public_bytes(Encoding.PEM))

    def verify() -> subprocess.CompletedProcess[str]:
        trusted.write_text(office.ca_bundle() + office.crl_bundle(now_s=NOW_S))
        argv = ["openssl", "verify", "-attime", str(NOW_S + 60), "-x509_strict", "-purpose", "sslclient", "-crl_check"]
        return subprocess.run(
            [*argv, "-CAfile", str(trusted), str(node)], capture_output=True, text=True, check=False, timeout=30
        )

    assert verify().returncode == 0, verify().stderr
    office.revoke(box.node, "stolen", NOW_S)
    assert "certificate revoked" in verify().stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_believes_the_centres_server_and_clients(office: Office, tmp_path: Path) -> None:
    ca, leaf = tmp_path / "ca.pem", tmp_path / "leaf.pem"
    ca.write_text(office.centre_ca_pem())
    server = office.server_certificate(["centre.example", "10.0.0.1"], now_s=NOW_S)
    client = office.client_certificate("centre-receiver", now_s=NOW_S)
    for pair, argv in ((server, ["sslserver", "-verify_ip", "10.0.0.1"]), (client, ["sslclient"])):
        leaf.write_text(pair.certificate)
        command = ["openssl", "verify", "-attime", str(NOW_S), "-x509_strict", "-CAfile", str(ca), "-purpose", *argv]
        result = subprocess.run([*command, str(leaf)], capture_output=True, text=True, check=False, timeout=30)
        assert result.returncode == 0, result.stderr


def test_a_server_without_a_name_or_with_a_foreign_one_is_told(office: Office) -> None:
    for names in ([], ["ศูนย์.ไทย"]):
        with pytest.raises(RegisterError):
            office.server_certificate(names, now_s=NOW_S)


def test_private_keys_are_the_owners_alone(office: Office) -> None:
    keys = sorted((office.folder / "keys").rglob("*.key"))
    assert [key.name for key in keys] == ["centre-ca.key", "ca.key", "command.key", "office.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE(office.folder.stat().st_mode) == 0o700


def test_a_damaged_key_is_told_with_its_file(office: Office) -> None:
    (office.folder / "keys" / ORG / "office.key").write_text("rust")
    with pytest.raises(RegisterError, match=r"office\.key"):
        office.make_order(SITE, now_s=NOW_S)


def test_a_grants_configuration_becomes_the_nodes_own(office: Office) -> None:
    box = Applicant()
    made = office.make_order(SITE, now_s=NOW_S, label=box.label())
    grant = grant_of(office, office.enrol(box.request(made), now_s=NOW_S))
    paths = LocalPaths("/var/lib/wayside", "/run/wayside", "/etc/wayside/ca.pem", "/n.pem", "/n.key", "/k.json")
    config = merge(grant.config, None, paths)
    assert (config.node.org, config.node.site, config.node.id) == (ORG, SITE, box.node)
    assert config.broker is not None
    assert config.broker.url == "mqtts://centre.example:8883"
    # The site's two cameras may be kept for 30 and for 15 days, and the ring has one age.
    assert config.storage.keep_days == 15
