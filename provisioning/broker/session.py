"""A running mosquitto: told to read its lists again, and to end one client's session."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from agent import log
from agent.contract.states import NodeState, Presence
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode, encode
from agent.errors import BrokerUnreachable, WireError
from agent.units import NS_PER_S
from provisioning.broker.settings import KitPaths

# On one machine, over a Unix socket.
_LIMIT_NS: Final = 5 * NS_PER_S
# A retained message follows its SUBACK at once; a node that never connected has none.
_RETAINED_NS: Final = NS_PER_S // 2

_log = log.get("broker_kit")


def is_running(paths: KitPaths) -> bool:
    return _pid(paths) is not None


def reload(paths: KitPaths) -> bool:
    """SIGHUP: mosquitto 2.0.11 reads access list, authorities, revocation lists and its certificate again, and leaves
    sessions alone. False where none runs from this kit: it will read them at its start.

    Raises BrokerUnreachable where mosquitto could not read them, because it would then let everybody do everything.
    """
    pid = _pid(paths)
    if pid is None:
        return False
    check_reach(paths, pid)
    os.kill(pid, signal.SIGHUP)
    return True


def check_reach(paths: KitPaths, pid: int) -> None:
    """A mosquitto that root started has read its lists as root and reads them again as somebody else."""
    owner = Path(f"/proc/{pid}").stat()
    if owner.st_uid == 0:
        return
    for place, needed in [(folder, 1) for folder in paths.folder.parents] + [(paths.folder, 5), (paths.acl, 4)]:
        found = place.stat()
        is_owner, is_group = found.st_uid == owner.st_uid, found.st_gid == owner.st_gid
        shift = 6 if is_owner else 3 if is_group else 0
        if found.st_mode >> shift & needed != needed:
            remedy = "move the kit to where its user may go, /etc/wayside-broker say, and start mosquitto from there"
            raise BrokerUnreachable(reason="unreadable", file=str(place), remedy=remedy)


def end_session(paths: KitPaths, address: NodeAddress) -> None:
    """Take a node's place at the kit's door with a clean start, say that it is lost, and leave: its connection ends and
    what waited for it is dropped.

    mosquitto 2.0.11 forgets a delayed will when a session is taken over (seen), so `lost` is said here, with the
    session number of the node's last word. Raises BrokerUnreachable.
    """
    try:
        _Usurper(paths, address).run()
    except OSError as exc:
        remedy = "run this on the broker's machine as the owner of its folder"
        raise BrokerUnreachable(reason="door", url=str(paths.door), detail=str(exc), remedy=remedy) from exc


class _Usurper:
    """One visit at the door; it drives paho itself, so that no thread is left behind."""

    def __init__(self, paths: KitPaths, address: NodeAddress) -> None:
        self._door = str(paths.door)
        self._address = address
        self._last_word: NodeState | None = None
        self._has_subscribed = False
        self._has_said = False
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=address.node,
            protocol=mqtt.MQTTv5,
            transport="unix",
            reconnect_on_failure=False,
        )
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    def run(self) -> None:
        self._client.connect(self._door, clean_start=True)
        self._loop_until(self._client.is_connected)
        self._client.subscribe(self._address.state, 1)
        self._loop_until(lambda: self._has_subscribed)
        self._say_lost()
        self._client.disconnect()
        self._client.loop(0.1)

    def _say_lost(self) -> None:
        limit_ns = time.monotonic_ns() + _RETAINED_NS
        while self._last_word is None and time.monotonic_ns() < limit_ns:
            self._client.loop(0.05)
        word = self._last_word
        if word is None or word.state in (Presence.OFFLINE, Presence.LOST):
            return
        lost = msgspec.structs.replace(word, state=Presence.LOST, reason="revoked")
        self._client.publish(self._address.state, encode(lost), 1, retain=True)
        self._loop_until(lambda: self._has_said)

    def _loop_until(self, is_so: Callable[[], bool]) -> None:
        limit_ns = time.monotonic_ns() + _LIMIT_NS
        while not is_so():
            rc = self._client.loop(0.1)
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS or time.monotonic_ns() > limit_ns:
                raise BrokerUnreachable(reason="door", url=self._door, detail=str(rc), remedy="restart the broker")

    def _on_subscribe(self, *_: object) -> None:
        self._has_subscribed = True

    def _on_publish(self, *_: object) -> None:
        self._has_said = True

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            self._last_word = decode(bytes(message.payload), NodeState)
        except WireError:
            _log.warning("state not understood", topic=message.topic)


def _pid(paths: KitPaths) -> int | None:
    """Of the mosquitto that runs with this kit's settings; a number that another program has since is not believed."""
    try:
        pid = int(paths.pid.read_text(encoding="ascii"))
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(paths.conf).encode() in argv else None
