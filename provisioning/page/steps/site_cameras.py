"""The site's cameras on disk: which were ordered, which are configured, and how one gets into the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from agent.config import CameraConfig, Config, decode_config
from agent.contract.enrolment import WorkOrder
from agent.contract.wire import decode
from agent.enrolment.configuration import to_toml
from agent.enrolment.home import GROUP_MODE
from agent.enrolment.orders import order_jws
from agent.errors import ClaimRefused, ConfigError, EnrolmentError, SetupError, SignatureError, WireError
from agent.signing import unverified_payload
from provisioning.cameras.camera import Login

if TYPE_CHECKING:
    from agent.enrolment.home import NodeHome

# Product: one to eight cameras a site.
MAX_CAMERAS: Final = 8


@dataclass(frozen=True, slots=True)
class Slot:
    """A camera that the site has or should have. `source` is its address without credentials, empty until it is set
    up."""

    id: str
    name: str
    purpose: str
    source: str

    @property
    def is_set_up(self) -> bool:
        return bool(self.source)


def load(home: NodeHome) -> Config | None:
    """The configuration; None before the node has one. Raises ConfigError, EnrolmentError."""
    text = home.read_text(home.config)
    return None if text is None else decode_config(text, name=home.config.name)


def camera_ids(home: NodeHome) -> tuple[str, ...]:
    """Of the configured cameras, in their order; none where there is no configuration that can be read."""
    try:
        config = load(home)
    except (ConfigError, EnrolmentError):
        return ()
    return tuple(camera.id for camera in config.cameras if camera.main) if config else ()


def slots(home: NodeHome, config: Config | None) -> tuple[Slot, ...]:
    """The ordered cameras first, then those that were found beyond the order, then one free place if there is room."""
    known = {camera.id: camera for camera in config.cameras} if config else {}
    ordered = _ordered(home)
    found = [
        Slot(each.id, each.name, each.purpose, shown(known[each.id].main) if each.id in known else "")
        for each in (ordered.cameras if ordered else ())
    ]
    names = {slot.id for slot in found}
    found += [Slot(each.id, each.name, "", shown(each.main)) for each in known.values() if each.id not in names]
    if all(slot.is_set_up for slot in found) and len(found) < MAX_CAMERAS:
        taken = {slot.id for slot in found}
        free = next(name for number in range(1, MAX_CAMERAS + 2) if (name := f"c{number:02d}") not in taken)
        found.append(Slot(free, "", "", ""))
    return tuple(found)


def put_camera(home: NodeHome, camera: CameraConfig, password: str) -> None:
    """Write the camera into wayside.toml and its password beside it, the secret first: a configuration never names a
    file that is not there. Raises SetupError `no_config` before enrolment, ConfigError, EnrolmentError."""
    home.ensure_folders()
    with home.locked():
        config = load(home)
        if config is None:
            raise SetupError(reason="no_config", remedy="enrol the node first")
        secret = home.secret(camera.id)
        if camera.password_file:
            home.write_if_changed(secret, password.encode() + b"\n", mode=GROUP_MODE)
        write_config(home, with_camera(config, camera))
        if not camera.password_file and secret.exists():
            home.remove(secret)


def remove_camera(home: NodeHome, camera_id: str) -> None:
    """Take the camera out again; its footage stays. Raises ConfigError, EnrolmentError."""
    with home.locked():
        config = load(home)
        if config is not None:
            write_config(home, without_camera(config, camera_id))
        if home.secret(camera_id).exists():
            home.remove(home.secret(camera_id))


def write_config(home: NodeHome, config: Config) -> None:
    """Whole or not at all, and never one that the agent would refuse; the caller holds the home's lock."""
    text = to_toml(config)
    decode_config(text, name=home.config.name)
    home.write_if_changed(home.config, text.encode(), mode=GROUP_MODE)


def with_camera(config: Config, camera: CameraConfig) -> Config:
    """The same place in the list for one that is known. Pure."""
    cameras = [camera if each.id == camera.id else each for each in config.cameras]
    if config.camera(camera.id) is None:
        cameras.append(camera)
    return _replaced(config, cameras)


def without_camera(config: Config, camera_id: str) -> Config:
    """Pure."""
    return _replaced(config, [each for each in config.cameras if each.id != camera_id])


def split_login(url: str, login: Login) -> tuple[str, Login]:
    """The address without the login that people paste into it; a login given apart wins. Pure."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url.strip(), login
    before, _, host = parts.netloc.rpartition("@")
    if not before:
        return url.strip(), login
    user, _, password = before.partition(":")
    pasted = login if login.username else Login(unquote(user), unquote(password))
    return urlunsplit(parts._replace(netloc=host)), pasted


def shown(url: str) -> str:
    """The address without credentials, also those that some cameras want in the path."""
    from agent.media.source import SourceAddress

    return SourceAddress("", url).shown


def _replaced(config: Config, cameras: list[CameraConfig]) -> Config:
    from msgspec.structs import replace

    return replace(config, cameras=cameras)


def _ordered(home: NodeHome) -> WorkOrder | None:
    """The order that the node was set up by; it was believed when it was taken in."""
    try:
        text = home.read_text(home.order)
        return decode(unverified_payload(order_jws(text)), WorkOrder) if text else None
    except (EnrolmentError, ClaimRefused, SignatureError, WireError):
        return None
