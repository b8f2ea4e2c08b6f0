"""A paho client set up for one connection: protocol, identity, TLS, will."""

from __future__ import annotations

from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.messaging.broker import BrokerOptions, Publication, Will, parse_url
from agent.messaging.buffered import BufferedClient
from agent.messaging.refusals import tls_context

# MQTT 5, 3.2.2.3.3: without a receive maximum it is this.
RECEIVE_MAXIMUM: Final = 65_535
# A site's line answers within a second or two; a dead address must not hold a stop up for longer.
_CONNECT_LIMIT_S = 5.0


def make_client(options: BrokerOptions, generation: int) -> BufferedClient:
    """Raises BrokerRefused when the TLS files do not serve."""
    is_v5 = options.protocol == "5"
    client = BufferedClient(
        CallbackAPIVersion.VERSION2,
        client_id=options.client_id,
        clean_session=None if is_v5 else options.is_clean_start,
        protocol=mqtt.MQTTv5 if is_v5 else mqtt.MQTTv311,
        manual_ack=options.is_manual_ack,
    )
    # The window is kept by Connection, from the broker's receive maximum, which paho ignores; paho must not queue too.
    client.max_inflight_messages_set(RECEIVE_MAXIMUM)
    client.connect_timeout = _CONNECT_LIMIT_S
    if options.username:
        client.username_pw_set(options.username, options.password)
    if parse_url(options.url).is_tls:
        client.tls_set_context(tls_context(options))
    will = options.will(generation)
    if will is not None:
        _set_will(client, will, is_v5=is_v5)
    return client


def properties_of(packet_type: int) -> Properties:
    """Empty MQTT 5 properties for one kind of packet."""
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho 2.2 annotates all but this


def packet_bytes(publication: Publication) -> int:
    """On the wire at most: fixed header 5, topic and its length, packet id 2, property length and expiry 6 (MQTT 5,
    2.1 and 3.3)."""
    return 5 + 2 + len(publication.topic.encode()) + 2 + 6 + len(publication.payload)


def connect_properties(options: BrokerOptions) -> Properties | None:
    """Of CONNECT; None under 3.1.1."""
    if options.protocol != "5":
        return None
    properties = properties_of(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = options.session_expiry_s
    return properties


def _set_will(client: mqtt.Client, will: Will, *, is_v5: bool) -> None:
    properties = None
    if is_v5:
        properties = properties_of(PacketTypes.WILLMESSAGE)
        properties.WillDelayInterval = will.delay_s
    said = will.publication
    client.will_set(said.topic, said.payload, said.qos, said.is_retained, properties)
