"""What waits for a camera's decoder, and what is left out when it is late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.notices import StreamRole, StreamStarted, VideoPacket
from agent.processes.intake import Arrival, Intake, plan_batch
from agent.units import NS_PER_S


def started(run: int = 1, role: StreamRole = StreamRole.MAIN) -> StreamStarted:
    return StreamStarted("c01", role, boot=1, run=run, codec="h264", width=320, height=240, anchor_wall_ns=0)


def packet(at_s: float, *, is_idr: bool = False, role: StreamRole = StreamRole.MAIN) -> VideoPacket:
    return VideoPacket("c01", role, run=1, media_ns=round(at_s * NS_PER_S), is_idr=is_idr)


def waiting(*notices: StreamStarted | VideoPacket) -> list[Arrival]:
    return [Arrival(notice, b"x") for notice in notices]


def test_what_is_not_late_is_decoded_whole() -> None:
    arrivals = waiting(started(), packet(0, is_idr=True), packet(1), packet(2, is_idr=True), packet(2.5))
    batch = plan_batch(arrivals)
    assert batch.arrivals == tuple(arrivals) and batch.shed == 0
    assert batch.newest_media_ns == round(2.5 * NS_PER_S)


def test_a_late_decoder_goes_on_at_the_newest_idr_of_the_run() -> None:
    arrivals = waiting(
        started(), packet(0, is_idr=True), packet(1), packet(2, is_idr=True), packet(4, is_idr=True), packet(4.5)
    )
    batch = plan_batch(arrivals)
    assert [one.notice for one in batch.arrivals] == [started(), packet(4, is_idr=True), packet(4.5)]
    assert batch.shed == 3


def test_a_long_gop_is_decoded_whole_because_there_is_nothing_to_skip_to() -> None:
    arrivals = waiting(packet(0, is_idr=True), *[packet(n) for n in range(1, 10)])
    assert plan_batch(arrivals).arrivals == tuple(arrivals)


def test_a_new_run_makes_the_packets_of_the_old_one_stale() -> None:
    batch = plan_batch(waiting(packet(5), packet(6), started(run=2), packet(0, is_idr=True)))
    assert [one.notice for one in batch.arrivals] == [started(run=2), packet(0, is_idr=True)] and batch.shed == 2


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=60))
def test_nothing_is_invented_or_reordered_and_every_packet_is_kept_or_counted(steps: list[tuple[int, bool]]) -> None:
    at_ms, arrivals = 0, []
    for step_ms, is_idr in steps:
        at_ms += step_ms
        arrivals.append(Arrival(packet(at_ms / 1000, is_idr=is_idr), b""))
    batch = plan_batch(arrivals)
    assert batch.arrivals == tuple(arrivals[batch.shed :])
    assert batch.shed == 0 or batch.arrivals[0].is_idr


def test_after_an_overflow_the_next_idr_displaces_what_waits_and_nothing_starts_mid_gop() -> None:
    intake = Intake()
    intake.offer(started(), b"")
    intake.offer(packet(0, is_idr=True), b"idr")
    for n in range(1, 400):
        intake.offer(packet(n / 30), b"delta")
    intake.offer(packet(14, is_idr=True), b"idr")
    intake.offer(packet(14.1), b"delta")
    batch = intake.take(0)
    assert [one.notice for one in batch.arrivals] == [started(), packet(14, is_idr=True), packet(14.1)]
    assert batch.shed == 400
    assert intake.take(0).shed == 0


def test_deltas_before_the_first_idr_are_shed() -> None:
    intake = Intake()
    intake.offer(started(), b"")
    intake.offer(packet(0.1), b"delta")
    intake.offer(packet(0.2, is_idr=True), b"idr")
    batch = intake.take(0)
    assert [one.notice for one in batch.arrivals] == [started(), packet(0.2, is_idr=True)] and batch.shed == 1


def test_the_stream_that_was_started_last_is_seen() -> None:
    intake = Intake()
    intake.offer(started(), b"")
    intake.offer(started(role=StreamRole.SUB), b"")
    intake.offer(packet(0, is_idr=True), b"main")
    intake.offer(packet(0, is_idr=True, role=StreamRole.SUB), b"sub")
    assert [one.payload for one in intake.take(0).arrivals] == [b"", b"sub"]
    intake.offer(started(), b"")
    intake.offer(packet(9, is_idr=True), b"main")
    assert [one.payload for one in intake.take(0).arrivals] == [b"", b"main"]
