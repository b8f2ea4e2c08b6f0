"""Sound as it will stand in the file: what is passed on, what is coded anew, and what cannot be recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SoundUnsupported
from agent.media.aac import Coded, SoundCoder
from agent.media.g711 import ALAW, MULAW, Samples, decode
from agent.media.sound import SoundOrigin
from agent.units import NS_PER_MS, NS_PER_S
from tests.rigs.flashes import FlashSettings, make_flashes

# A packet of 40 ms at 8 kHz, as most cameras send them.
PACKET = bytes(320)
PACKET_NS = 40 * NS_PER_MS
FRAME_NS = 128 * NS_PER_MS


@pytest.mark.parametrize(("codec", "table"), [("pcm_mulaw", MULAW), ("pcm_alaw", ALAW)])
def test_g711_is_decoded_as_ffmpeg_decodes_it(codec: str, table: Samples) -> None:
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout = 8_000, "mono"  # type: ignore[attr-defined]
    packet = av.Packet(bytes(range(256)))
    (frame,) = context.decode(packet)  # type: ignore[arg-type,var-annotated]
    assert np.array_equal(frame.to_ndarray()[0] / np.float32(32_768), decode(table, bytes(range(256))))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


def coder_of(path: Path) -> SoundCoder:
    with av.open(str(path)) as container:
        return SoundCoder(container.streams.audio[0], camera="c01")


def mulaw_coder(films: Path) -> SoundCoder:
    path = films / "mulaw.mov"
    if not path.exists():
        make_flashes(films, FlashSettings(path.name, "pcm_mulaw", 8_000, seconds=1))
    return coder_of(path)


def test_aac_is_passed_on_byte_for_byte_at_its_own_time(films: Path) -> None:
    film = make_flashes(films, FlashSettings(seconds=2))
    coder = coder_of(film)
    with av.open(str(film)) as container:
        packets = [each for each in container.demux(audio=0) if each.size]
    coded = [each for packet in packets for each in coder.take(bytes(packet), (packet.pts or 0) * NS_PER_S // 48_000)]
    assert [each.data for each in coded] == [bytes(packet) for packet in packets]
    assert [each.at_ns for each in coded] == [(packet.pts or 0) * NS_PER_S // 48_000 for packet in packets]
    assert coder.shape.format.origin is SoundOrigin.AAC
    assert list(coder.end()) == []


def test_a_packet_without_a_stamp_follows_the_last(films: Path) -> None:
    coder = coder_of(make_flashes(films, FlashSettings("short.mov", seconds=1)))
    first, second = (next(coder.take(b"x", at_ns)) for at_ns in (NS_PER_S, None))
    assert second.at_ns == first.at_ns + first.duration_ns


def told(coder: SoundCoder, times_ns: list[int]) -> Iterator[Coded]:
    for at_ns in times_ns:
        yield from coder.take(PACKET, at_ns)
    yield from coder.end()


@given(st.lists(st.integers(-9, 9), min_size=8, max_size=40))
@settings(max_examples=10, deadline=None)
def test_stamps_of_g711_that_jitter_make_no_hole(films: Path, jitter_ms: list[int]) -> None:
    coder = mulaw_coder(films)
    times_ns = [number * PACKET_NS + by_ms * NS_PER_MS for number, by_ms in enumerate(jitter_ms)]
    coded = list(told(coder, times_ns))
    assert [each.at_ns for each in coded] == [times_ns[0] + (n - 1) * FRAME_NS for n in range(len(coded))]
    # Behind the encoder's run-up as much is heard as came, filled up to a whole frame.
    assert 0 <= coded[-1].at_ns + FRAME_NS - times_ns[0] - len(times_ns) * PACKET_NS < FRAME_NS


def test_a_hole_in_g711_stays_a_hole_and_moves_nothing_behind_it(films: Path) -> None:
    before = [number * PACKET_NS for number in range(25)]
    after = [at_ns + 5 * NS_PER_S for at_ns in before]
    coded = list(told(mulaw_coder(films), before + after))
    starts = [each.at_ns for each in coded]
    assert starts == sorted(starts)
    # Each part with the encoder's run-up in front, of one frame.
    assert 5 * NS_PER_S - FRAME_NS in starts
    assert not any(NS_PER_S + FRAME_NS <= at_ns < 5 * NS_PER_S - FRAME_NS for at_ns in starts)


def test_bytes_that_make_no_whole_sample_of_every_channel_are_left_out(films: Path) -> None:
    coder = coder_of(make_flashes(films, FlashSettings("two.mov", "pcm_alaw", 16_000, channels=2, seconds=1)))
    coded = [each for number in range(50) for each in coder.take(bytes(1_281), number * PACKET_NS)]
    assert coder.shape.format.channels == 2
    # 40 ms of 16 kHz and two channels are 1 280 bytes: the odd one does not shift the channels.
    assert len(coded) == 50 * 640 // 1024 - 1


@pytest.mark.parametrize(
    ("codec", "rate_hz", "word"), [("mp2", 48_000, "AAC or G.711"), ("pcm_mulaw", 96_000, "48 kHz")]
)
def test_what_no_segment_can_hold_says_what_to_set(tmp_path: Path, codec: str, rate_hz: int, word: str) -> None:
    path = make_flashes(tmp_path, FlashSettings(f"{codec}.mov", codec, rate_hz, channels=2, seconds=1))
    with pytest.raises(SoundUnsupported, match=word):
        coder_of(path)
