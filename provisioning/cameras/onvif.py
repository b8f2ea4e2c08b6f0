"""What a camera says of itself over ONVIF: its clock, its make, its streams."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape, quoteattr

from agent import log
from agent.clock import Clock, SystemClock
from agent.errors import CameraRefused, DiscoveryError
from agent.units import NS_PER_S
from provisioning.cameras.camera import CameraDescription, CameraStream, Login
from provisioning.cameras.markup import Element, shown
from provisioning.cameras.passwords import check_password
from provisioning.cameras.profiles import Profile, read_profiles
from provisioning.cameras.soap import SoapClient, split_url

_DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
# A four-headed camera has a dozen; each costs a call.
_MAX_STREAMS: Final = 16
_MAX_URL: Final = 512

_log = log.get("cameras")


def describe(device_url: str, login: Login, *, clock: Clock | None = None) -> CameraDescription:
    """Ask a camera for everything the choice of streams needs; some seconds, any thread.

    device_url: as found, or http://ADDRESS/onvif/device_service. Raises CameraRefused for a default or wrong password
    and DiscoveryError where there is no ONVIF to talk to; both say what to do.
    """
    check_password(login)
    conversation = _Conversation(device_url, SoapClient(login, clock or SystemClock()), clock or SystemClock())
    description = conversation.describe()
    _log.info(
        "camera described",
        host=urlsplit(device_url).hostname,
        streams=len(description.streams),
        clock_offset_s=description.clock_offset_s,
        is_open=description.is_open,
    )
    return description


class _Conversation:
    def __init__(self, device_url: str, client: SoapClient, clock: Clock) -> None:
        self._device_url = device_url
        self._host = split_url(device_url).hostname or ""
        self._client = client
        self._clock = clock

    def describe(self) -> CameraDescription:
        offset_s = self._clock_offset_s()
        self._client.clock_offset_ns = int((offset_s or 0) * NS_PER_S)
        services = self._services()
        is_open = self._is_open(services)
        facts = self._client.call(self._device_url, f"{_DEVICE}/GetDeviceInformation", _empty("GetDeviceInformation"))
        return CameraDescription(
            device_url=self._device_url,
            manufacturer=shown(facts.value("Manufacturer")),
            model=shown(facts.value("Model")),
            firmware=shown(facts.value("FirmwareVersion")),
            serial=shown(facts.value("SerialNumber")),
            clock_offset_s=offset_s,
            is_open=is_open,
            streams=self._streams(services),
        )

    def _clock_offset_s(self) -> float | None:
        """By the one call that needs no login (ONVIF Core, 8.3.5), else by the HTTP header's date."""
        try:
            answer = self._client.call(
                self._device_url,
                f"{_DEVICE}/GetSystemDateAndTime",
                _empty("GetSystemDateAndTime"),
                is_anonymous=True,
            )
            camera = _utc_of(answer)
        except CameraRefused:
            camera = _http_date(self._client.http_date)
        except DiscoveryError as exc:
            if exc.facts.get("reason") != "fault":
                raise
            camera = None
        # The answer says whole seconds: half a second on average has passed of the one it names.
        return None if camera is None else round(camera.timestamp() + 0.5 - self._clock.wall_ns() / NS_PER_S, 1)

    def _services(self) -> dict[str, str]:
        """Media services by their namespace. Older cameras know only GetCapabilities, and the oldest neither."""
        body = f'<GetServices xmlns="{_DEVICE}"><IncludeCapability>false</IncludeCapability></GetServices>'
        try:
            answer = self._client.call(self._device_url, f"{_DEVICE}/GetServices", body)
            found = {service.value("Namespace"): service.value("XAddr") for service in answer.every("Service")}
        except DiscoveryError as exc:
            if exc.facts.get("reason") == "no_answer":
                raise
            body = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
            answer = self._client.call(self._device_url, f"{_DEVICE}/GetCapabilities", body)
            found = {_MEDIA: answer.value("Capabilities", "Media", "XAddr")}
        usable = {name: self._here(address) for name, address in found.items() if name in {_MEDIA, _MEDIA2}}
        return {name: address for name, address in usable.items() if address} or {_MEDIA: self._device_url}

    def _is_open(self, services: dict[str, str]) -> bool:
        name, address = next(iter(services.items()))
        try:
            answer = self._client.call(address, f"{name}/GetProfiles", _profiles_body(name), is_anonymous=True)
        except (CameraRefused, DiscoveryError):
            return False
        return answer.child("Profiles") is not None

    def _streams(self, services: dict[str, str]) -> tuple[CameraStream, ...]:
        """By Media2 where there is one, because the first media service cannot say H.265."""
        failure: DiscoveryError | None = None
        for name in (_MEDIA2, _MEDIA):
            if name not in services:
                continue
            try:
                answer = self._client.call(services[name], f"{name}/GetProfiles", _profiles_body(name))
                profiles = read_profiles(answer)[:_MAX_STREAMS]
                streams = [self._stream(name, services[name], profile) for profile in profiles]
            except DiscoveryError as exc:
                failure = exc
                continue
            if streams:
                return tuple(streams)
        if failure is not None:
            raise failure
        return ()

    def _stream(self, name: str, address: str, profile: Profile) -> CameraStream:
        answer = self._client.call(address, f"{name}/GetStreamUri", _uri_body(name, profile.token))
        url = answer.value("MediaUri", "Uri") or answer.value("Uri")
        return CameraStream(
            token=profile.token,
            name=profile.name,
            codec=profile.codec,
            width=profile.width,
            height=profile.height,
            fps=profile.fps,
            gop_frames=profile.gop_frames,
            bitrate_bps=profile.bitrate_bps,
            url=self._here(url) if _scheme(url) in {"rtsp", "rtsps"} else "",
        )

    def _here(self, address: str) -> str:
        """The address at the camera that we talk to, without credentials; empty for what is none.

        Cameras name the address of their other side, 0.0.0.0 or their factory's; and a password must not be sent to
        wherever an answer says.
        """
        if len(address) > _MAX_URL or not address.isascii() or not address.isprintable() or " " in address:
            return ""
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            return ""
        if parts.scheme not in {"http", "https", "rtsp", "rtsps"} or not parts.hostname:
            return ""
        place = self._host if port is None else f"{self._host}:{port}"
        return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def _empty(name: str) -> str:
    return f'<{name} xmlns="{_DEVICE}"/>'


def _profiles_body(name: str) -> str:
    # Media2 leaves the configurations out unless they are asked for.
    inside = "<Type>VideoEncoder</Type>" if name == _MEDIA2 else ""
    return f"<GetProfiles xmlns={quoteattr(name)}>{inside}</GetProfiles>"


def _uri_body(name: str, token: str) -> str:
    token = escape(token)
    if name == _MEDIA2:
        body = f"<Protocol>RTSP</Protocol><ProfileToken>{token}</ProfileToken>"
    else:
        body = (
            "<StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol>"
            f"</tt:Transport></StreamSetup><ProfileToken>{token}</ProfileToken>"
        )
    return f"<GetStreamUri xmlns={quoteattr(name)}>{body}</GetStreamUri>"


def _utc_of(answer: Element) -> datetime | None:
    """The camera's UTC; None where it tells local time only, or what is no date."""
    date = answer.child("SystemDateAndTime", "UTCDateTime", "Date")
    time = answer.child("SystemDateAndTime", "UTCDateTime", "Time")
    if date is None or time is None:
        return None
    year, month, day = (int(date.number(name, most=9999)) for name in ("Year", "Month", "Day"))
    hour, minute, second = (int(time.number(name, most=60)) for name in ("Hour", "Minute", "Second"))
    try:
        # A leap second is shown as 60.
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
