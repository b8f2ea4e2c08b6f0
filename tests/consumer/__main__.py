"""A centre by strangers: python -m tests.consumer HOST PORT CA CERTIFICATE KEY FOLDER; see FOLDER/picture.json."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.consumer.book import Book
from tests.consumer.picture import Picture

TOPICS = ("state", "info", "health", "cam/+/state", "cam/+/traffic", "alert/+", "reported", "evt/#")


def main(host: str, port: str, ca: str, certificate: str, key: str, folder: str) -> None:
    book = Book(Path(folder) / "events.sqlite")
    picture = Picture(book)

    def show() -> None:
        # Whole or not at all for whoever looks.
        new = Path(folder) / "picture.new"
        new.write_text(json.dumps(picture.told()), encoding="utf-8")
        os.replace(new, Path(folder) / "picture.json")  # noqa: PTH105

    def on_connect(client: mqtt.Client, _data: object, _flags: object, reason: mqtt.ReasonCode, _more: object) -> None:
        if not reason.is_failure:
            picture.is_connected = True
            client.subscribe([(f"wayside/v1/+/+/+/{tail}", mqtt.SubscribeOptions(qos=1)) for tail in TOPICS])
            show()

    def on_disconnect(_client: mqtt.Client, _data: object, _flags: object, _reason: object, _more: object) -> None:
        picture.is_connected = False
        show()

    def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        saying = picture.fold(message.topic, message.payload)
        if saying is not None:
            client.publish(saying.topic, saying.payload, qos=1, retain=True)
        show()

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.tls_set(ca, certificate, key)
    client.reconnect_delay_set(1, 1)
    client.on_connect, client.on_disconnect, client.on_message = on_connect, on_disconnect, on_message
    week = Properties(PacketTypes.CONNECT)
    week.SessionExpiryInterval = 7 * 86_400
    # The broker may be away when a centre starts.
    client.connect_async(host, int(port), keepalive=30, clean_start=False, properties=week)
    client.loop_forever(retry_first_connection=True)


main(*sys.argv[1:])
