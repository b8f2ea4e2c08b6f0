"""What is known of a camera before it is in the configuration. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

# What a segment can hold (agent.media.packet.Codec).
RECORDABLE = frozenset({"h264", "hevc"})


@dataclass(frozen=True, slots=True)
class Login:
    """The password is never part of a message or a log line."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DiscoveredCamera:
    """One answer to the probe. Nothing of it is verified: it came in a datagram that anybody may send.

    `endpoint`: the device's own id, stable over restarts. `address`: whom the datagram came from. `device_url`: its
    ONVIF device service, always on that address. `interface`: where it was heard.
    """

    endpoint: str
    address: str
    device_url: str
    name: str
    hardware: str
    interface: str


@dataclass(frozen=True, slots=True)
class CameraStream:
    """One media profile as the camera declares it; 0 stands for what it does not say.

    `codec`: h264, hevc, mpeg4, jpeg or the camera's own word. `url` is without credentials.
    """

    token: str
    name: str
    codec: str
    width: int
    height: int
    fps: float
    gop_frames: int
    bitrate_bps: int
    url: str

    @property
    def is_recordable(self) -> bool:
        return self.codec in RECORDABLE

    @property
    def gop_s(self) -> float:
        return self.gop_frames / self.fps if self.fps else 0.0


@dataclass(frozen=True, slots=True)
class CameraDescription:
    """What a camera says of itself once it let us in.

    `clock_offset_s`: its clock minus ours, None where it does not tell. `is_open`: it hands its streams' addresses to
    anybody, password or not.
    """

    device_url: str
    manufacturer: str
    model: str
    firmware: str
    serial: str
    clock_offset_s: float | None
    is_open: bool
    streams: tuple[CameraStream, ...]


@dataclass(frozen=True, slots=True)
class ProbedStream:
    """What a stream really was while it was watched for `seconds`.

    `gop_s` and `gop_frames`: the longest GOP seen whole, 0 where no second IDR came in time. `first_idr_s`: from asking
    for the stream to its first IDR. `picture`: its first picture as a small JPEG, empty where it did not decode.
    """

    url: str
    codec: str
    width: int
    height: int
    fps: float
    gop_frames: int
    gop_s: float
    bitrate_bps: int
    first_idr_s: float
    frames: int
    seconds: float
    picture: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class LocalCamera:
    """A camera in the node. `url` is what the configuration takes: v4l2:/dev/video0 or picamera:0.

    `formats`: four-character codes (V4L2) or the sensor's modes (CSI). A camera that is not recordable gives raw
    pictures only.
    """

    url: str
    name: str
    bus: str
    formats: tuple[str, ...]
    is_recordable: bool


@dataclass(frozen=True, slots=True)
class LocalCameras:
    """`problem`: machine word for why there are none, empty otherwise (`sentences.absence`)."""

    cameras: tuple[LocalCamera, ...]
    problem: str = ""
