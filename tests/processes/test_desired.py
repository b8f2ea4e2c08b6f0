"""The desired document: who is believed, what it may say, and that a node which does not come back goes back."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agent.commands.trust import Signatures
from agent.config import Config, decode_config
from agent.contract.commands import JWS_TYPE, Jws, base64url
from agent.contract.events import AuditData, EventData, SecurityData
from agent.contract.pinned import PinnedKeys
from agent.contract.states import Desired, Reported
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode
from agent.processes.desired import DesiredDesk, DesiredParts
from agent.processes.desired_apply import settle_start
from agent.processes.desired_record import FLOOR_NAME, RECORD_NAME, config_digest
from agent.processes.desired_trial import MOST_STARTS, SETTLE_S, Seen
from agent.signing import sign_general
from agent.store import STORE_NAME, open_store
from agent.units import NS_PER_S
from tests.commands.attacks import MALI, SOMCHAI, STRANGER, Person
from tests.recording.ring import SetClock

ADDRESS = NodeAddress("test-org", "test-site", "test-node")
NOW_S = 1_795_393_239
LONGER = {"storage": {"keep_days": 40}}


class Site:
    """One node's files, and the process that reads them: `start` begins another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        self.path = folder / "wayside.toml"
        self.keys = folder / "keys.json"
        self.keys.write_bytes(encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned, MALI.pinned))))
        self.path.write_text(
            f'# Somebody\'s remark.\ndata_dir = "{folder}/data"\nruntime_dir = "{folder}/run"\n'
            f'command_keys = "{self.keys}"\n[node]\norg = "test-org"\nsite = "test-site"\nid = "test-node"\n'
            '[broker]\nurl = "mqtt://127.0.0.1:1"\n[storage]\nkeep_days = 30\n'
            '[[camera]]\nid = "c01"\nmain = "rtsp://10.0.0.2/a"\nusername = "u"\n'
            f'password_file = "{folder}/c01.secret"\n'
        )
        self.clock = SetClock(NOW_S * NS_PER_S)
        self.told: list[EventData] = []
        self.boot_id = "boot-1"
        self.lately: frozenset[str] = frozenset()
        self.start()

    def start(self) -> None:
        """Another process with the configuration as it lies there; it is well until the test says otherwise."""
        text = decode_config(self.path.read_text(), name="wayside.toml")
        self.config = settle_start(self.path, text, self.clock, self.boot_id)
        node = self.config.node
        self.seen = Seen(config_digest(self.config), is_connected=True, streaming=frozenset({"c01"}), has_vision=True)
        self.desk = DesiredDesk(
            DesiredParts(
                config=self.config,
                path=self.path,
                address=NodeAddress(node.org, node.site, node.id),
                boot_id=self.boot_id,
                clock=self.clock,
                connect=self.connect,
                tell=lambda _conn, _type, data, _camera: self.told.append(data),
                look=lambda: self.seen,
                lately=lambda _conn: self.lately,
                changed=lambda: None,
                stop=threading.Event(),
            )
        )

    def connect(self) -> sqlite3.Connection:
        return open_store(self.folder / "data")

    def send(self, config: object, *signers: Person, **changes: object) -> Reported:
        """`SOMCHAI` signs where nobody is named."""
        return self.bring(self.sign(config, *(signers or (SOMCHAI,)), **changes))

    def sign(self, config: object, *signers: Person, **changes: object) -> bytes:
        document = Desired(
            v=1, aud=ADDRESS.urn, iss="somchai", revision=1, iat=NOW_S, config=msgspec.Raw(msgspec.json.encode(config))
        )
        document = msgspec.structs.replace(document, **changes)
        return encode(sign_general(encode(document), [each.key for each in signers], typ=JWS_TYPE))

    def bring(self, message: bytes) -> Reported:
        conn = self.connect()
        try:
            self.desk.receive(conn, message)
            self.desk.settle(conn)
        finally:
            conn.close()
        return self.desk.reported()

    def wait(self, seconds: float) -> Reported:
        self.clock.now_wall_ns += int(seconds * NS_PER_S)
        conn = self.connect()
        try:
            self.desk.settle(conn)
        finally:
            conn.close()
        return self.desk.reported()

    def written(self) -> Config:
        return decode_config(self.path.read_text(), name="wayside.toml")

    def audits(self) -> list[tuple[str, str]]:
        return [(each.purpose, each.outcome) for each in self.told if isinstance(each, AuditData)]

    def warnings(self) -> list[str]:
        return [each.detail for each in self.told if isinstance(each, SecurityData)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield Site(tmp_path)


def test_a_signed_document_is_written_tried_and_then_confirmed(site: Site) -> None:
    tried = site.send(LONGER)
    assert (tried.revision, tried.trying, tried.errors) == (None, 1, ())
    assert site.written().storage.keep_days == 40
    site.start()
    assert site.wait(0).trying == 1
    done = site.wait(SETTLE_S)
    assert (done.revision, done.trying, done.errors, done.is_edited) == (1, None, (), False)
    assert site.audits() == [("revision 1", "succeeded")]


def test_what_the_document_leaves_unsaid_stays_as_it_is(site: Site) -> None:
    before = site.config
    site.send(LONGER)
    wanted = msgspec.structs.replace(before, storage=msgspec.structs.replace(before.storage, keep_days=40))
    assert site.written() == wanted


def test_the_broker_brings_the_same_document_at_each_connection_and_nothing_happens_again(site: Site) -> None:
    message = site.sign(LONGER, SOMCHAI)
    site.bring(message)
    site.start()
    site.wait(0)
    site.wait(SETTLE_S)
    told = list(site.told)
    written_ns = site.path.stat().st_mtime_ns
    for _ in range(3):
        assert site.bring(message).revision == 1
    # Signed anew it is still the same document.
    assert site.bring(site.sign(LONGER, SOMCHAI)).errors == ()
    assert site.told == told
    assert site.path.stat().st_mtime_ns == written_ns


@pytest.mark.parametrize(
    ("config", "changes", "reason"),
    [
        (LONGER, {"aud": "urn:wayside:test-org:test-site:other"}, "wrong_audience"),
        (LONGER, {"iat": NOW_S + 300}, "from_the_future"),
        (LONGER, {"upload_hosts": ("https://store.example/",)}, "upload_hosts"),
        ({"storage": {"keep_dys": 40}}, {}, "keep_dys"),
        ({"storage": {"keep_days": 0}}, {}, "keep_days"),
        ({"storage": 3}, {}, "must be an object"),
        ([], {}, "Expected `object`"),
        ({"timezone": "Asia/Atlantis"}, {}, "timezone"),
        ({"data_dir": "/elsewhere"}, {}, "data_dir): this is the node's own"),
        ({"trust": "open"}, {}, "trust): this is the node's own"),
        ({"command_keys": "/tmp/mine"}, {}, "command_keys): this is the node's own"),
        ({"broker": {"key": "/etc/shadow"}}, {}, "broker.key): this is the node's own"),
        ({"node": {"org": "test-org", "site": "test-site", "id": "other"}}, {}, "another node's"),
        ({"camera": [{"id": "c01", "password_file": "/x"}]}, {}, "password_file): this is the node's own"),
        ({"camera": [{"id": "c02", "main": "rtsp://10.0.0.2/a", "scene": "/x"}]}, {}, "scene): this is the node's own"),
        ({"camera": [{"id": "c01", "main": "rtsp://u:p@10.0.0.2/a"}]}, {}, "does not travel"),
        ({"camera": [{"id": "c01", "main": "file:/etc/passwd"}]}, {}, "from afar"),
        ({"camera": [{"id": "c01"}, {"id": "c01"}]}, {}, "two cameras"),
    ],
)
def test_a_document_that_is_wrong_is_refused_with_its_reason_and_changes_nothing(
    site: Site, config: object, changes: dict[str, object], reason: str
) -> None:
    text = site.path.read_text()
    refused = site.send(config, SOMCHAI, MALI, **changes)
    assert (refused.revision, refused.rejected_revision, refused.trying) == (None, 1, None)
    assert len(refused.errors) == 1
    assert reason in refused.errors[0]
    assert site.path.read_text() == text
    assert site.audits() == [("revision 1", "rejected")]


@pytest.mark.parametrize("signers", [(), (STRANGER,), (MALI,), (SOMCHAI, STRANGER)])
def test_a_document_that_nobody_who_may_has_signed_is_not_even_reported(
    site: Site, signers: tuple[Person, ...]
) -> None:
    text = site.path.read_text()
    refused = site.bring(site.sign(LONGER, *signers))
    assert (refused.revision, refused.rejected_revision, refused.errors) == (None, None, ())
    assert site.path.read_text() == text
    assert len(site.warnings()) == 1


def test_a_key_for_some_commands_only_signs_no_document(site: Site) -> None:
    limited = msgspec.structs.replace(SOMCHAI.pinned, commands=("ping",))
    site.keys.write_bytes(encode(PinnedKeys(v=1, keys=(limited, MALI.pinned))))
    site.send(LONGER)
    assert "key_not_allowed" in site.warnings()[0]
    assert site.written().storage.keep_days == 30


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ({"storage": {"keep_days": 29}}, {}),
        ({"storage": {"max_bytes": "300GB"}}, {}),
        ({"storage": {"min_free": "50GB"}}, {}),
        ({"broker": {"url": "mqtt://127.0.0.1:2"}}, {}),
        ({"camera": []}, {}),
        ({"camera": [{"id": "c01", "keep_days": 3}]}, {}),
        ({"camera": [{"id": "c01", "max_bytes": "1GB"}]}, {}),
        ({"camera": [{"id": "c01", "record": "around_incidents"}]}, {}),
        ({"camera": [{"id": "c01", "main": "rtsp://evil.example/a"}]}, {}),
        ({}, {"upload_hosts": ("store.example",)}),
        ({}, {"keys": (SOMCHAI.pinned, STRANGER.pinned, Person("third", STRANGER.key).pinned)}),
    ],
)
def test_what_is_grave_needs_two_people(site: Site, config: object, changes: dict[str, object]) -> None:
    for signers in ((SOMCHAI,), (SOMCHAI, SOMCHAI)):
        refused = site.send(config, *signers, **changes)
        assert refused.errors[0].startswith("second_signature_due")
        assert refused.trying is None
    # The second person signs the very same revision: a refused one is not used up.
    taken = site.send(config, SOMCHAI, MALI, **changes)
    assert taken.errors == ()
    assert 1 in (taken.trying, taken.revision)


def test_a_revision_never_falls_and_is_never_another_document(site: Site) -> None:
    old = site.sign(LONGER, SOMCHAI, revision=6)
    site.bring(old)
    site.send({"storage": {"keep_days": 50}}, revision=7)
    assert site.written().storage.keep_days == 50
    assert site.bring(old).errors[0].startswith("replayed")
    assert site.send({"storage": {"keep_days": 60}}, revision=7).errors[0].startswith("revision_taken")
    assert site.written().storage.keep_days == 50


@pytest.mark.parametrize("lost", [(STORE_NAME,), (RECORD_NAME, STORE_NAME), (FLOOR_NAME, STORE_NAME)])
def test_the_floor_outlives_a_lost_store_and_either_of_its_copies(site: Site, lost: tuple[str, ...]) -> None:
    old = site.sign(LONGER, SOMCHAI, revision=6)
    site.bring(old)
    site.send({"storage": {"keep_days": 50}}, revision=7)
    for name in lost:
        for path in (site.folder / name, site.folder / "data" / name):
            path.unlink(missing_ok=True)
    site.start()
    assert site.bring(old).errors[0].startswith("replayed")
    assert site.written().storage.keep_days == 50


def test_a_node_that_moved_hears_another_office_which_counts_from_one(site: Site) -> None:
    site.send(LONGER, revision=6)
    site.path.write_text(site.path.read_text().replace("test-site", "other-site"))
    site.start()
    moved = site.desk.reported()
    assert (moved.revision, moved.trying, moved.errors) == (None, None, ())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"is_connected": False}, "the broker is not reached"),
        ({"streaming": frozenset()}, "camera c01 does not stream"),
        ({"has_vision": False}, "vision does not run"),
    ],
)
def test_a_node_that_is_not_well_under_it_goes_back_and_says_why(
    site: Site, change: dict[str, object], problem: str
) -> None:
    before = site.path.read_text()
    message = site.sign(LONGER, SOMCHAI, MALI, upload_hosts=("store.example",), confirm_within_s=60)
    assert site.bring(message).trying == 1
    site.start()
    site.seen = replace(site.seen, **change)
    assert site.desk.upload_hosts() == ("store.example",)
    assert site.wait(59).trying == 1
    reverted = site.wait(1)
    assert (reverted.revision, reverted.rejected_revision, reverted.trying) == (None, 1, None)
    assert reverted.errors == (problem,)
    assert site.desk.upload_hosts() == ()
    # With its remarks, byte for byte.
    assert site.path.read_text() == before
    site.start()
    site.wait(0)
    assert site.audits() == [("revision 1", "failed")]
    # The broker still has it; it is not tried for ever.
    assert site.bring(message).trying is None
    assert site.desk.reported().errors == (problem,)


def test_what_was_not_well_before_says_nothing_against_a_document(site: Site) -> None:
    site.seen = replace(site.seen, streaming=frozenset(), has_vision=False)
    site.send(LONGER)
    site.start()
    site.seen = replace(site.seen, streaming=frozenset(), has_vision=False)
    site.wait(0)
    assert site.wait(SETTLE_S).revision == 1


def test_a_camera_that_recorded_minutes_ago_and_is_just_being_started_was_well(site: Site) -> None:
    site.seen, site.lately = replace(site.seen, streaming=frozenset()), frozenset({"c01"})
    site.send(LONGER, confirm_within_s=20)
    site.start()
    site.seen = replace(site.seen, streaming=frozenset())
    assert site.wait(20).errors == ("camera c01 does not stream",)


def test_a_moment_of_health_is_not_enough(site: Site) -> None:
    site.send(LONGER, confirm_within_s=60)
    site.start()
    well, ill = site.seen, replace(site.seen, streaming=frozenset())
    for _ in range(3):
        site.seen = well
        site.wait(0)
        assert site.wait(SETTLE_S - 1).trying == 1
        site.seen = ill
        assert site.wait(1).trying == 1
    assert site.wait(60).rejected_revision == 1


def test_processes_that_nobody_starts_anew_confirm_nothing(site: Site) -> None:
    site.send(LONGER, confirm_within_s=20)
    assert site.wait(SETTLE_S + 1).trying == 1
    assert site.wait(20).errors == ("the processes were not started anew",)
    assert site.written().storage.keep_days == 30


def test_a_node_process_that_never_gets_up_is_taken_back_at_its_start(site: Site) -> None:
    site.send(LONGER)
    for _ in range(MOST_STARTS):
        site.start()
        assert site.config.storage.keep_days == 40
    site.start()
    assert site.config.storage.keep_days == 30
    reported = site.wait(0)
    assert (reported.rejected_revision, reported.errors) == (1, ("the node did not come back",))
    assert site.audits() == [("revision 1", "failed")]


def test_a_start_that_comes_too_late_goes_back_and_a_reboot_begins_the_time_anew(site: Site) -> None:
    site.send(LONGER, confirm_within_s=60)
    site.boot_id = "boot-2"
    site.clock.now_wall_ns += 600 * NS_PER_S
    site.start()
    assert site.config.storage.keep_days == 40
    site.clock.now_wall_ns += 61 * NS_PER_S
    site.start()
    assert site.config.storage.keep_days == 30


def test_a_second_document_during_a_trial_goes_back_to_what_was_confirmed(site: Site) -> None:
    before = site.path.read_text()
    site.send(LONGER)
    site.start()
    site.send({"storage": {"keep_days": 50}}, revision=2, confirm_within_s=20)
    site.start()
    site.seen = replace(site.seen, is_connected=False)
    assert site.wait(20).rejected_revision == 2
    assert site.path.read_text() == before


def test_a_local_edit_during_a_trial_is_not_written_over(site: Site) -> None:
    site.send(LONGER, confirm_within_s=20)
    edited = site.path.read_text().replace("40", "77")
    site.path.write_text(edited)
    site.start()
    assert site.wait(20).rejected_revision == 1
    assert site.path.read_text() == edited


def test_a_local_edit_after_it_is_told(site: Site) -> None:
    site.send(LONGER)
    site.start()
    site.wait(0)
    site.wait(SETTLE_S)
    site.path.write_text(site.path.read_text().replace("40", "41"))
    site.start()
    assert site.desk.reported().is_edited


def test_new_keys_are_obeyed_at_once_and_taken_back_with_the_rest(site: Site) -> None:
    third = Person("third", STRANGER.key)
    keys = (MALI.pinned, third.pinned)
    assert site.send({}, SOMCHAI, MALI, keys=keys).revision == 1
    site.send(LONGER, SOMCHAI, revision=2)
    assert "unknown_key" in site.warnings()[0]
    assert site.send(LONGER, third, iss="third", revision=2).trying == 2
    back = site.send({"storage": {"keep_days": 50}}, third, MALI, iss="third", revision=3, keys=(SOMCHAI.pinned, *keys))
    assert back.trying == 3
    site.start()
    site.seen = replace(site.seen, is_connected=False)
    site.wait(200)
    assert msgspec.json.decode(site.keys.read_bytes(), type=PinnedKeys).keys == keys


def test_a_key_that_was_taken_out_stays_out_when_the_offices_papers_name_it_again(site: Site) -> None:
    papers = site.keys.read_bytes()
    third = Person("third", STRANGER.key)
    assert site.send({}, SOMCHAI, MALI, keys=(MALI.pinned, third.pinned)).revision == 1
    site.keys.write_bytes(papers)
    site.send(LONGER, SOMCHAI, revision=2)
    assert "unknown_key" in site.warnings()[0]
    # Two people put it in again.
    site.keys.write_bytes(encode(PinnedKeys(v=1, keys=(MALI.pinned, third.pinned))))
    everybody = (SOMCHAI.pinned, MALI.pinned, third.pinned)
    assert site.send({}, third, MALI, iss="third", revision=2, keys=everybody).revision == 2
    assert site.send(LONGER, SOMCHAI, revision=3).trying == 3


def test_keys_that_are_taken_back_are_obeyed_as_before(site: Site) -> None:
    third = Person("third", STRANGER.key)
    site.send(LONGER, SOMCHAI, MALI, keys=(MALI.pinned, third.pinned))
    site.start()
    site.seen = replace(site.seen, is_connected=False)
    site.wait(200)
    site.start()
    assert site.send(LONGER, SOMCHAI, revision=2).trying == 2


@pytest.mark.parametrize(
    "keys", [(), (SOMCHAI.pinned,), (SOMCHAI.pinned, Person("somchai", MALI.key).pinned)], ids=("none", "one", "same")
)
def test_keys_that_would_lock_everybody_out_are_refused(site: Site, keys: tuple[object, ...]) -> None:
    assert "at least two people" in site.send({}, SOMCHAI, MALI, keys=keys).errors[0]


def test_a_flood_of_forgeries_is_told_at_a_bounded_rate(site: Site) -> None:
    for n in range(200):
        site.bring(encode(Jws(payload=base64url(b"%d" % n), signatures=())))
    assert 0 < len(site.warnings()) < 10
    singly = len(site.warnings())
    site.wait(61)
    assert site.warnings()[singly:] == [f"{200 - singly} more were not written down one by one"]
    assert site.bring(b"\xff" * 200_000).errors == ()


def test_signers_are_told_apart_by_person_not_by_key() -> None:
    from agent.commands.trust import Trust
    from agent.processes.desired_judge import lacks_second

    assert lacks_second(Signatures((SOMCHAI.pinned, Person("somchai", MALI.key).pinned)), Trust.SIGNED)
    assert not lacks_second(Signatures((SOMCHAI.pinned, MALI.pinned)), Trust.SIGNED)


def test_the_hosts_that_were_signed_are_those_to_which_clips_may_go(site: Site) -> None:
    assert site.desk.upload_hosts() == ()
    site.send({}, SOMCHAI, MALI, upload_hosts=("store.example", "10.0.0.9"))
    assert site.desk.upload_hosts() == ("store.example", "10.0.0.9")
    site.start()
    assert site.desk.upload_hosts() == ("store.example", "10.0.0.9")
