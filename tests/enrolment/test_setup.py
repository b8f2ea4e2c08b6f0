"""When a technician may set a node up: presence, PIN and order, half an hour, and all of it written down."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.enrolment.moment import BootMoment
from agent.enrolment.papers import enter_service, install_grant
from agent.enrolment.setup import (
    SETTLED_S,
    WINDOW_S,
    Presence,
    PresenceRecord,
    SetupState,
    Window,
    is_cycled,
    judge_setup,
    note_boot,
    settle_boot,
)
from agent.enrolment.standing import Standing
from agent.enrolment.window import (
    BUTTON_FILE,
    CALLED_FILE,
    call_in,
    close_window,
    knock,
    main,
    open_window,
    register_boot,
    status,
)
from agent.errors import EnrolmentError, SetupError
from tests.enrolment.conftest import Node
from tests.enrolment.papers import NOW_S, Organisation

BOOT = BootMoment("b3", 20.0)


@pytest.fixture
def serving(node: Node, office: Organisation) -> Node:
    """In service: nothing listens."""
    install_grant(node.home, office.grant_text(office.grant(node.key.private.public_key(), node.key.node)), NOW_S)
    enter_service(node.home, by="technician")
    return node


def cycle(node: Node, *boots: str) -> None:
    for boot in boots:
        register_boot(node.home, BootMoment(boot, 10.0))


def audited(node: Node) -> list[str]:
    return [json.loads(line)["what"] for line in node.home.audit.read_text().splitlines()]


def test_a_node_that_was_never_accepted_is_open(node: Node) -> None:
    assert status(node.home, BOOT).state is SetupState.OPEN


def test_a_node_in_service_is_closed_and_an_order_alone_does_not_open_it(serving: Node, office: Organisation) -> None:
    assert status(serving.home, BOOT).state is SetupState.CLOSED
    with pytest.raises(SetupError, match="closed"):
        open_window(serving.home, office.order(), BOOT)


def test_three_power_cycles_let_it_listen_and_pin_and_order_open_it(
    serving: Node, office: Organisation, tmp_path: Path
) -> None:
    cycle(serving, "b1", "b2")
    assert knock(serving.home, tmp_path, BootMoment("b2", 20.0)).state is SetupState.CLOSED
    cycle(serving, "b3")
    knocked = knock(serving.home, tmp_path, BOOT)
    assert (knocked.state, knocked.reason, knocked.left_s) == (SetupState.KNOCKED, "power_cycles", WINDOW_S)
    later = BootMoment("b3", 600.0)
    opened = open_window(serving.home, office.order(), later, peer="192.0.2.7")
    assert (opened.state, opened.left_s) == (SetupState.OPEN, WINDOW_S)
    assert status(serving.home, BootMoment("b3", 600.0 + WINDOW_S)).state is SetupState.CLOSED
    # The same three cycles do not knock twice, and the next boot begins closed.
    assert knock(serving.home, tmp_path, BootMoment("b3", 601.0 + WINDOW_S)).state is SetupState.CLOSED
    assert status(serving.home, BootMoment("b4", 1.0)).state is SetupState.CLOSED
    assert audited(serving)[-3:] == ["in_service", "setup_knocked", "setup_opened"]


def test_a_boot_that_lasted_is_no_power_cycle(serving: Node, tmp_path: Path) -> None:
    cycle(serving, "b1", "b2")
    register_boot(serving.home, BootMoment("b2", SETTLED_S), is_settled=True)
    cycle(serving, "b3")
    assert knock(serving.home, tmp_path, BOOT).state is SetupState.CLOSED


def test_a_button_knocks_once_for_each_press(serving: Node, tmp_path: Path) -> None:
    (tmp_path / BUTTON_FILE).touch()
    assert knock(serving.home, tmp_path, BOOT).reason == "button"
    assert not (tmp_path / BUTTON_FILE).exists()
    close_window(serving.home, reason="done")
    assert knock(serving.home, tmp_path, BOOT).state is SetupState.CLOSED
    assert audited(serving)[-1] == "setup_closed"


def test_two_people_of_the_centre_knock_once_and_pin_and_order_are_still_due(
    serving: Node, office: Organisation, tmp_path: Path
) -> None:
    called = call_in(serving.home, tmp_path, BOOT, actors="mali")
    assert (called.state, called.reason, called.left_s) == (SetupState.KNOCKED, "centre", WINDOW_S)
    assert (tmp_path / CALLED_FILE).exists()
    # The page that this starts uses the call up: it does not start again when the window is over.
    assert knock(serving.home, tmp_path, BOOT).may_listen
    assert not (tmp_path / CALLED_FILE).exists()
    over = BootMoment(BOOT.boot_id, BOOT.mono_s + WINDOW_S)
    assert knock(serving.home, tmp_path, over).state is SetupState.CLOSED
    assert audited(serving)[-1] == "setup_knocked"
    call_in(serving.home, tmp_path, over, actors="mali")
    assert open_window(serving.home, office.order(), over).state is SetupState.OPEN


def test_a_call_alone_opens_nothing(serving: Node, tmp_path: Path) -> None:
    (tmp_path / CALLED_FILE).touch()
    assert knock(serving.home, tmp_path, BOOT).state is SetupState.CLOSED
    assert not (tmp_path / CALLED_FILE).exists()


def test_the_unit_asks_by_exit_code(serving: Node, tmp_path: Path) -> None:
    argv = ["--home", str(serving.home.root), "--runtime", str(tmp_path)]
    assert main(["note-boot", *argv]) == 0
    assert main(["may-listen", *argv]) == 1
    (tmp_path / BUTTON_FILE).touch()
    assert main(["may-listen", *argv]) == 0
    assert main(["settle-boot", *argv]) == 0
    assert main(["close", *argv]) == 0
    assert main(["may-listen", *argv]) == 1


def test_only_an_enrolled_node_enters_service(node: Node) -> None:
    with pytest.raises(EnrolmentError, match="not_enrolled"):
        enter_service(node.home, by="technician")


def test_the_marker_of_service_follows_the_state(serving: Node) -> None:
    assert serving.home.in_service.exists()
    serving.home.save_enrolment(msgspec.structs.replace(serving.home.load_enrolment(), state=Standing.ENROLLED))
    assert not serving.home.in_service.exists()


@given(knocked=st.floats(), opened=st.none() | st.floats(), now=st.floats(0, 1e9), boot=st.sampled_from(["b1", "b2"]))
def test_no_record_keeps_a_window_open_for_longer_than_half_an_hour(
    knocked: float, opened: float | None, now: float, boot: str
) -> None:
    window = Window(boot_id="b1", knocked_mono_s=knocked, presence=Presence.BUTTON, opened_mono_s=opened)
    judged = judge_setup(Standing.IN_SERVICE, window, boot, now)
    assert not judged.may_listen or (boot == "b1" and judged.left_s is not None and 0 < judged.left_s <= WINDOW_S)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=12))
def test_boots_are_noted_once_and_only_the_last_three_count(boots: list[tuple[str, bool]]) -> None:
    record = PresenceRecord()
    for boot, lasts in boots:
        record = note_boot(record, boot)
        assert note_boot(record, boot) == record
        if is_cycled(record, boot):
            assert len(record.boots) == 3 and not any(note.is_settled for note in record.boots[:-1])
        if lasts:
            record = settle_boot(record, boot)
    assert len(record.boots) <= 3
