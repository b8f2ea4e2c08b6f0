"""An RTSP camera on loopback: one video looped for ever under unbroken time stamps.

Run by Debian's python3, which has gi.

usage: rtsp_server.py PORT VIDEO [basic|digest USER:PASSWORD]; PORT 0 takes a free one. Prints "ready PORT".
VIDEO is a raw byte stream, .h264 or .hevc, of 25 fps; each client gets it from its beginning.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_FRAME_NS = Gst.SECOND // 25


class Factory(GstRtspServer.RTSPMediaFactory):
    """The byte stream is read again at its end; the parser numbers its frames on, and `identity` paces them."""

    def __init__(self, video: str) -> None:
        super().__init__()
        self._video = video
        self.set_shared(False)

    def do_create_element(self, _url: object) -> Gst.Element:
        codec = "h265" if self._video.endswith(".hevc") else "h264"
        caps = f"video/x-{codec},stream-format=byte-stream,alignment=au"
        bin_ = Gst.parse_launch(
            f"( multifilesrc location={self._video} loop=true ! {codec}parse config-interval=-1 ! {caps} "
            f"! identity name=stamp sync=true ! rtp{codec}pay name=pay0 pt=96 )"
        )
        self._number(bin_.get_by_name("stamp").get_static_pad("sink"))
        return bin_

    @staticmethod
    def _number(pad: Gst.Pad) -> None:
        count = 0

        def stamp(_pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
            nonlocal count
            buffer = info.get_buffer()
            buffer.pts = buffer.dts = count * _FRAME_NS
            buffer.duration = _FRAME_NS
            count += 1
            return Gst.PadProbeReturn.OK

        pad.add_probe(Gst.PadProbeType.BUFFER, stamp)


def protect(server: GstRtspServer.RTSPServer, factory: Factory, method: str, login: str) -> None:
    user, password = login.split(":")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    if method == "digest":
        # GST_RTSP_AUTH_DIGEST
        auth.set_supported_methods(2)
        auth.add_digest(user, password, token)
    else:
        auth.set_supported_methods(1)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for name in ("access", "construct"):
        permissions.add_permission_for_role("user", f"media.factory.{name}", True)
    factory.set_permissions(permissions)


def main() -> None:
    Gst.init(None)
    port, video = sys.argv[1], sys.argv[2]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = Factory(video)
    if len(sys.argv) > 4:
        protect(server, factory, sys.argv[3], sys.argv[4])
    server.get_mount_points().add_factory("/cam", factory)
    if not server.attach(None):
        sys.exit("the port is taken")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
