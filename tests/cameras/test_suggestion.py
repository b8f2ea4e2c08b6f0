"""Which streams are proposed, and what the technician is advised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.cameras.camera import CameraStream
from provisioning.cameras.sentences import absence, advise
from provisioning.cameras.suggestion import Advice, suggest
from provisioning.texts import Language


def stream(size: str, codec: str = "h264", *, gop: int = 50, fps: float = 25) -> CameraStream:
    width, height = map(int, size.split("x"))
    return CameraStream(size, size, codec, width, height, fps, gop, 1_000_000, f"rtsp://camera/{codec}/{size}")


@pytest.mark.parametrize(
    ("sizes", "main", "sub", "advice"),
    [
        (["1920x1080", "640x360"], "1920x1080", "640x360", ()),
        (["640x360", "1920x1080"], "1920x1080", "640x360", ()),
        (["3840x2160", "1920x1080", "1280x720", "352x288"], "3840x2160", "1280x720", ()),
        (["2560x1440", "352x288"], "2560x1440", "352x288", ()),
        (["1920x1080"], "1920x1080", None, (Advice.NO_SUB,)),
        (["640x480"], "640x480", None, ()),
        ([], None, None, (Advice.NO_MAIN,)),
    ],
)
def test_the_largest_is_main_and_a_small_one_sub(
    sizes: list[str], main: str | None, sub: str | None, advice: tuple[Advice, ...]
) -> None:
    found = suggest([stream(size) for size in sizes])
    assert (found.main and found.main.token, found.sub and found.sub.token, found.advice) == (main, sub, advice)


def test_what_cannot_be_recorded_is_not_proposed() -> None:
    found = suggest([stream("3840x2160", "jpeg"), stream("1920x1080", "hevc"), stream("640x360", "mpeg4")])
    assert found.main == stream("1920x1080", "hevc") and found.sub is None
    assert Advice.HEVC_MAIN in found.advice and Advice.NO_SUB in found.advice


def test_a_gop_of_ten_seconds_is_advised_against() -> None:
    assert suggest([stream("1920x1080", gop=250), stream("640x360")]).advice == (Advice.LONG_GOP,)


_streams = st.builds(
    CameraStream,
    token=st.text(max_size=5),
    name=st.text(max_size=5),
    codec=st.sampled_from(["h264", "hevc", "jpeg", ""]),
    width=st.integers(0, 8000),
    height=st.integers(0, 8000),
    fps=st.floats(0, 60),
    gop_frames=st.integers(0, 500),
    bitrate_bps=st.integers(0, 10**8),
    url=st.sampled_from(["", "rtsp://a/1", "rtsp://a/2", "rtsp://a/3"]),
)


@given(st.lists(_streams, max_size=6))
def test_a_proposal_is_always_two_different_streams_that_are_there(streams: list[CameraStream]) -> None:
    found = suggest(streams)
    assert found.main is None or (found.main in streams and found.main.is_recordable)
    assert found.sub is None or (found.main is not None and found.sub.url != found.main.url)


@pytest.mark.parametrize("language", list(Language))
def test_everything_has_its_sentence(language: Language) -> None:
    said = [advise(language, advice) for advice in Advice]
    said += [absence(language, "v4l2", problem) for problem in ("no_device", "no_access")]
    said += [absence(language, "csi", problem) for problem in ("no_software", "no_sensor", "hung")]
    assert not [sentence for sentence in said if sentence.startswith("cameras.")]
