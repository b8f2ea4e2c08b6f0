"""Passwords that cameras are sold with, and that nobody may leave in place. Pure."""

from __future__ import annotations

from typing import Final

from agent.errors import CameraRefused
from provisioning.cameras.camera import Login

# As the makers' manuals print them, and the ones that botnets try first (Mirai's table).
_SOLD_WITH: Final = frozenset(
    {
        *(
            "",
            "admin",
            "administrator",
            "user",
            "root",
            "guest",
            "support",
            "service",
            "supervisor",
            "default",
            "camera",
        ),
        *("pass", "password", "password1", "passw0rd", "secret", "system", "changeme", "letmein", "qwerty"),
        *("0000", "1111", "1234", "4321", "12345", "54321", "00000", "11111", "123456", "654321", "666666", "888888"),
        *("000000", "111111", "1234567", "12345678", "87654321", "88888888", "00000000", "123456789", "1234567890"),
        *(
            "admin1",
            "admin12",
            "admin123",
            "admin1234",
            "admin12345",
            "admin123456",
            "adminadmin",
            "abc123",
            "abcd1234",
        ),
        *("meinsm", "ikwd", "wbox123", "9999", "fliradmin", "jvc", "4321", "tljwpbo6", "smcadmin", "dvr2580222"),
        *("xc3511", "vizxv", "xmhdipc", "klv123", "klv1234", "jvbzd", "anko", "zlxx", "7ujmko0vizxv", "7ujmko0admin"),
        *("ubnt", "juantech", "hi3518", "cat1029", "realtek", "ipcam_rt5350", "hikvision", "hik12345", "dahua"),
    }
)


def check_password(login: Login) -> None:
    """Raises CameraRefused, before anything is sent, for a password that comes with the camera or is its user's name.

    A login without a name is none: a camera that wants one will say so.
    """
    if not login.username:
        return
    if login.password.lower() in _SOLD_WITH or login.password.lower() == login.username.lower():
        remedy = "set a password of its own on the camera's own page first, then enter that"
        raise CameraRefused(problem="default_password", remedy=remedy)
