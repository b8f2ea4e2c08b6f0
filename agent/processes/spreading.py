"""Vision's incidents told to the cameras that record around them."""

from __future__ import annotations

import threading

from agent.contract.events import IncidentData
from agent.contract.wire import decode
from agent.link_server import Peer
from agent.notices import Finding, IncidentSeen, IncidentsWanted
from agent.units import parse_rfc3339


class IncidentSpread:
    """Safe from any thread. A camera that connects anew is told of what is open already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._peers: dict[str, Peer] = {}
        self._open: dict[str, IncidentSeen] = {}

    def join(self, peer: Peer, wanted: IncidentsWanted) -> None:
        """A camera hears of its own incidents only."""
        if peer.hello is None or peer.hello.camera != wanted.camera:
            return
        with self._lock:
            self._peers[wanted.camera] = peer
            known = [seen for seen in self._open.values() if seen.camera == wanted.camera]
        for seen in known:
            peer.send(seen)

    def leave(self, peer: Peer) -> None:
        with self._lock:
            self._peers = {camera: known for camera, known in self._peers.items() if known is not peer}

    def tell(self, finding: Finding) -> None:
        """Of findings that are no incidents nobody hears."""
        if not finding.type.startswith("incident."):
            return
        seen = _seen(finding)
        with self._lock:
            if seen.is_open:
                self._open[seen.incident_id] = seen
            else:
                self._open.pop(seen.incident_id, None)
            peer = self._peers.get(finding.camera)
        if peer is not None:
            peer.send(seen)


def _seen(finding: Finding) -> IncidentSeen:
    data = decode(finding.data, IncidentData)
    return IncidentSeen(
        camera=finding.camera,
        incident_id=data.incident_id,
        begin_wall_ns=parse_rfc3339(data.begin) if data.begin else finding.hold_start_wall_ns,
        # While it is open its hold reaches a minute ahead: so long nothing need be heard of it.
        until_wall_ns=parse_rfc3339(data.end) if data.end else finding.hold_end_wall_ns,
        is_open=data.end is None,
    )
