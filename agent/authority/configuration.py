"""The configuration a grant carries, built from the register. Pure.

It is a part of agent.config.Config: who the node is and what the office decides. Paths are the node's own, cameras are
found on site, secrets never leave it.
"""

from __future__ import annotations

import msgspec

from agent.authority.records import Settings, SiteRecord
from agent.config import NodeConfig


class GrantedBroker(msgspec.Struct, frozen=True):
    url: str


class GrantedStorage(msgspec.Struct, frozen=True):
    keep_days: int


class GrantedConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """Keys as in agent.config.Config; a test holds the two together."""

    node: NodeConfig
    timezone: str
    broker: GrantedBroker
    storage: GrantedStorage | None = None


def granted_config(site: SiteRecord, settings: Settings, *, node: str) -> msgspec.Raw:
    """JSON. `keep_days` is the shortest retention of the site's cameras: the ring keeps one age for all of them, and
    footage kept longer than its purpose allows is unlawful (PDPA B.E. 2562, section 37 (3))."""
    days = [camera.retention_days for camera in site.cameras if camera.retention_days is not None]
    config = GrantedConfig(
        node=NodeConfig(org=site.org, site=site.site, id=node),
        timezone=settings.timezone,
        broker=GrantedBroker(url=settings.broker_url),
        storage=GrantedStorage(keep_days=min(days)) if days else None,
    )
    return msgspec.Raw(msgspec.json.encode(config))
