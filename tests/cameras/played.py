"""A camera's HTTP side, played: ONVIF answers, both kinds of login, and every way to be difficult."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from provisioning.cameras.markup import Element, parse_xml

ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:x="urn:x"><s:Body>{}</s:Body></s:Envelope>"""
FAULT = """<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{}</s:Value></s:Subcode></s:Code>
<s:Reason><s:Text xml:lang="en">no</s:Text></s:Reason></s:Fault>"""
PROFILE = """<x:Profiles token="{token}"><tt:Name>{token}</tt:Name><tt:VideoEncoderConfiguration>
<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>
<tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>
<tt:H264><tt:GovLength>50</tt:GovLength></tt:H264></tt:VideoEncoderConfiguration></x:Profiles>"""
PROFILE2 = """<x:Profiles token="{token}"><tt:Name>{token}</tt:Name><x:Configurations>
<x:VideoEncoder GovLength="40"><tt:Encoding>H265</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width>
<tt:Height>{height}</tt:Height></tt:Resolution><tt:RateControl><tt:FrameRateLimit>20</tt:FrameRateLimit></tt:RateControl>
</x:VideoEncoder></x:Configurations></x:Profiles>"""
MEDIA, MEDIA2 = "http://www.onvif.org/ver10/media/wsdl", "http://www.onvif.org/ver20/media/wsdl"
REALM, NONCE = "camera", "5d41402abc4b2a76b9719d911017c592"


@dataclass
class Habits:
    """How this camera behaves. `login`: "" for everybody, "token" (WS-Security) or "digest" (HTTP)."""

    login: str = "token"
    username: str = "operator"
    password: str = "Kor-Hong-7"
    clock_offset_s: float = 0.0
    has_media2: bool = False
    hides_clock: bool = False
    knows_services: bool = True
    stream_host: str = "0.0.0.0"
    media_scheme: str = "http"
    raw: Callable[[BaseHTTPRequestHandler], None] | None = None
    asked: list[str] = field(default_factory=list)


class PlayedCamera:
    def __init__(self, habits: Habits, *, tls: ssl.SSLContext | None = None) -> None:
        self.habits = habits
        self._scheme = "https" if tls else "http"

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                _serve(self, habits)

            def log_message(self, *_words: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/onvif/device_service"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _serve(handler: BaseHTTPRequestHandler, habits: Habits) -> None:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    if habits.raw is not None:
        habits.raw(handler)
        return
    envelope = parse_xml(body)
    request = (envelope.child("Body") or envelope).children[0]
    tells_time = request.name == "GetSystemDateAndTime" and not habits.hides_clock
    is_let_in = tells_time or _is_known(handler, envelope, habits)
    habits.asked.append(request.name if is_let_in else f"{request.name} refused")
    if is_let_in:
        _answer(handler, 200, _content(request, handler.headers["Host"], handler.headers["Content-Type"], habits))
    elif habits.login == "digest":
        _answer(handler, 401, "", [("WWW-Authenticate", f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth"')])
    else:
        _answer(handler, 400, FAULT.format("NotAuthorized"))


def _answer(
    handler: BaseHTTPRequestHandler, status: int, content: str, headers: list[tuple[str, str]] | None = None
) -> None:
    data = ENVELOPE.format(content).encode()
    handler.send_response(status)
    for name, value in [*(headers or []), ("Content-Length", str(len(data)))]:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def _is_known(handler: BaseHTTPRequestHandler, envelope: Element, habits: Habits) -> bool:
    if habits.login == "":
        return True
    if habits.login == "digest":
        return _is_digest_right(handler, habits)
    token = envelope.child("Header", "Security", "UsernameToken")
    if token is None or token.value("Username") != habits.username:
        return False
    created = token.value("Created")
    at_s = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    # Cameras allow some seconds; what a camera in 1970 thinks of our own time is this.
    if abs(at_s - time.time() - habits.clock_offset_s) > 5:
        return False
    secret = base64.b64decode(token.value("Nonce")) + created.encode() + habits.password.encode()
    return token.value("Password") == base64.b64encode(hashlib.sha1(secret).digest()).decode()


def _is_digest_right(handler: BaseHTTPRequestHandler, habits: Habits) -> bool:
    header = handler.headers.get("Authorization", "")
    found = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', header)}

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    secret, request = md5(f"{habits.username}:{REALM}:{habits.password}"), md5(f"POST:{handler.path}")
    expected = md5(f"{secret}:{NONCE}:{found.get('nc')}:{found.get('cnonce')}:auth:{request}")
    return found.get("response") == expected and found.get("uri") == handler.path


def _content(request: Element, host: str, content_type: str, habits: Habits) -> str:
    if request.name == "GetSystemDateAndTime":
        now = datetime.fromtimestamp(time.time() + habits.clock_offset_s, UTC)
        return (
            "<x:R><x:SystemDateAndTime><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></x:SystemDateAndTime></x:R>"
        )
    is_media2 = MEDIA2 in content_type
    port = host.rpartition(":")[2]
    if request.name == "GetServices" and habits.knows_services:
        names = [MEDIA, *([MEDIA2] if habits.has_media2 else [])]
        services = "".join(
            f"<x:Service><x:Namespace>{name}</x:Namespace><x:XAddr>{habits.media_scheme}://192.0.2.9:{port}/onvif/media</x:XAddr></x:Service>"
            for name in names
        )
        return f"<x:R>{services}</x:R>"
    if request.name == "GetCapabilities":
        address = f"{habits.media_scheme}://192.0.2.9:{port}/onvif/media"
        return f"<x:R><x:Capabilities><tt:Media><tt:XAddr>{address}</tt:XAddr></tt:Media></x:Capabilities></x:R>"
    if request.name == "GetDeviceInformation":
        return "<x:R><x:Manufacturer>Maker</x:Manufacturer><x:Model>M1\n&lt;b&gt;</x:Model></x:R>"
    if request.name == "GetProfiles":
        shape = PROFILE2 if is_media2 else PROFILE
        sizes = (("main", 1920, 1080), ("sub", 640, 360))
        profiles = [shape.format(token=token, width=width, height=height) for token, width, height in sizes]
        return f"<x:R>{''.join(profiles)}</x:R>"
    if request.name == "GetStreamUri":
        uri = f"rtsp://root:pass@{habits.stream_host}:554/{request.value('ProfileToken')}?a=1&amp;b=2"
        return (
            f"<x:R><x:Uri>{uri}</x:Uri></x:R>"
            if is_media2
            else f"<x:R><x:MediaUri><tt:Uri>{uri}</tt:Uri></x:MediaUri></x:R>"
        )
    return FAULT.format("ActionNotSupported")
