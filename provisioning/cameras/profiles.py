"""The profile lists of both ONVIF media services. Pure. Sources: onvif.xsd, media.wsdl and media2.wsdl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from provisioning.cameras.markup import Element, bounded, shown

_CODECS: Final = {"H264": "h264", "H265": "hevc", "HEVC": "hevc", "MPEG4": "mpeg4", "MPV4-ES": "mpeg4", "JPEG": "jpeg"}
# Beyond these no camera goes; a declared number outside of them counts as not declared.
_MAX_SIDE_PX: Final = 16_384
_MAX_FPS: Final = 480
_MAX_GOP: Final = 10_000
_MAX_KBPS: Final = 1_000_000
# onvif.xsd, ReferenceToken.
_MAX_TOKEN: Final = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """A stream's parameters as declared, 0 where they are not; its address is asked for by the token."""

    token: str
    name: str
    codec: str
    width: int
    height: int
    fps: float
    gop_frames: int
    bitrate_bps: int


def read_profiles(answer: Element) -> list[Profile]:
    """The profiles with video, in the camera's order. What has no usable token cannot be asked for and is left out."""
    found = [_profile(element) for element in answer.children if element.name == "Profiles"]
    return [profile for profile in found if profile is not None]


def _profile(element: Element) -> Profile | None:
    token = element.attributes.get("token", "")
    encoder = element.child("VideoEncoderConfiguration") or element.child("Configurations", "VideoEncoder")
    if encoder is None or not 0 < len(token) <= _MAX_TOKEN or not token.isprintable():
        return None
    word = encoder.value("Encoding").upper()
    # Media says it in an element of the codec's name, Media2 in an attribute.
    gop = encoder.value("H264", "GovLength") or encoder.value("MPEG4", "GovLength")
    return Profile(
        token=token,
        name=shown(element.value("Name")) or shown(token),
        codec=_CODECS.get(word, shown(word).lower()),
        width=int(encoder.number("Resolution", "Width", most=_MAX_SIDE_PX)),
        height=int(encoder.number("Resolution", "Height", most=_MAX_SIDE_PX)),
        fps=encoder.number("RateControl", "FrameRateLimit", most=_MAX_FPS),
        gop_frames=int(bounded(gop or encoder.attributes.get("GovLength", ""), most=_MAX_GOP)),
        bitrate_bps=int(encoder.number("RateControl", "BitrateLimit", most=_MAX_KBPS) * 1000),
    )
