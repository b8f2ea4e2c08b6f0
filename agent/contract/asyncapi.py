"""The contract as one AsyncAPI 3 document, told from the node: it sends what goes up, receives what goes down. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, cast

from agent.contract.catalogue import CHANNELS, Channel, Way
from agent.contract.commands import JWS_TYPE, CommandName, base64url
from agent.contract.events import DATA_TYPES, lane_of
from agent.contract.requests import ARGS_TYPES
from agent.contract.schema import Schema, components
from agent.contract.topics import ROOT, TopicKind

_REF: Final = "#/components/schemas/{name}"
_STAMP: Final = ["lane", "epoch", "sequence", "bootid", "monons", "clockq"]
_INFO: Final = (
    "What a Wayside node and its centre say to each other over MQTT 5. `send` is what a node publishes, `receive` what "
    "it subscribes to; a centre does the reverse. Going up, unknown fields must be ignored: newer nodes send more. "
    "Going down, a node refuses a field that it does not know. A field that is absent has its default. "
    "docs/centre.md shows it at work."
)
_PARAMETERS: Final = {
    "org": "The organisation.",
    "site": "The site; footage is addressed by site and camera, whichever node is there.",
    "node": "The node: its certificate's CN and its MQTT client id.",
    "camera": "The camera's id within its site.",
    "alert": "The alarm's id.",
    "place": "The camera's id, or the word `node` for the node's own events.",
    "word": "The second word of the event's type.",
    "requester": "Whoever asked, as the command's reply_to named them.",
    "name": "The command. Those that a node understands stand in its info.",
}
# Shown in place of a signature: 64 bytes in base64url.
_NO_SIGNATURE: Final = "A" * 86
_NO_KEY: Final = "A" * 43


def asyncapi(samples: Mapping[str, object], version: str) -> dict[str, object]:
    """`samples`: a message of each name of KINDS, which become the examples."""
    names, parts = components(_REF)
    schemas = dict(parts)
    messages: dict[str, Schema] = {}
    for channel in CHANNELS:
        for message in _messages(channel, names, samples):
            messages[cast(str, message["name"])] = message
    for name in ARGS_TYPES:
        schemas[f"{name.value}.payload"] = _command_payload(name, names)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Wayside node", "version": version, "description": _INFO},
        "defaultContentType": "application/json",
        "channels": {_id(channel.kind): _channel(channel) for channel in CHANNELS},
        "operations": dict(operation for channel in CHANNELS for operation in _operations(channel)),
        "components": {"messages": messages, "schemas": schemas},
    }


def _id(kind: TopicKind) -> str:
    """`cam/state` as camState."""
    first, *rest = kind.value.split("/")
    return first + "".join(word.capitalize() for word in rest)


def message_names(channel: Channel) -> list[str]:
    """The names of a channel's messages in the document."""
    if channel.kind is TopicKind.COMMAND:
        return [f"{name.value}.command" for name in ARGS_TYPES]
    if channel.kind is TopicKind.RESPONSE:
        return [f"{name.value}.answer" for name in ARGS_TYPES]
    names = [name or _id(channel.kind) for name in channel.messages]
    return [*names, f"{names[0]}.cleared"] if channel.can_be_empty else names


def _channel(channel: Channel) -> Schema:
    address = f"{ROOT}/{{org}}/{{site}}/{{node}}/{channel.tail}"
    made: Schema = {"address": address, "description": channel.says}
    words: dict[str, Schema] = {}
    for word in re.findall(r"\{(\w+)\}", address):
        words[word] = {"description": _PARAMETERS[word]}
    if channel.kind is TopicKind.COMMAND:
        words["name"]["enum"] = [name.value for name in CommandName]
    made["parameters"] = words
    made["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in message_names(channel)}
    if not channel.is_built:
        made["x-reserved"] = True
    return made


def _operations(channel: Channel) -> list[tuple[str, Schema]]:
    here = f"#/channels/{_id(channel.kind)}"
    mqtt: Schema = {"qos": channel.qos, "retain": channel.is_retained}
    if channel.expiry_s is not None:
        mqtt["messageExpiryInterval"] = channel.expiry_s
    made: Schema = {
        "action": "send" if channel.way is Way.UP else "receive",
        "channel": {"$ref": here},
        "bindings": {"mqtt": {**mqtt, "bindingVersion": "0.2.0"}},
    }
    if channel.kind is not TopicKind.COMMAND:
        verb = "send" if channel.way is Way.UP else "receive"
        listed = [{"$ref": f"{here}/messages/{name}"} for name in message_names(channel)]
        name = _id(channel.kind)
        return [(f"{verb}{name[0].upper()}{name[1:]}", {**made, "messages": listed})]
    answers = f"#/channels/{_id(TopicKind.RESPONSE)}"
    operations: list[tuple[str, Schema]] = []
    for name in ARGS_TYPES:
        reply: Schema = {
            "channel": {"$ref": answers},
            "messages": [{"$ref": f"{answers}/messages/{name.value}.answer"}],
        }
        listed = [{"$ref": f"{here}/messages/{name.value}.command"}]
        operations.append((f"obey.{name.value}", {**made, "messages": listed, "reply": reply}))
    return operations


def _messages(channel: Channel, names: Mapping[str, str], samples: Mapping[str, object]) -> list[Schema]:
    if channel.kind is TopicKind.EVENT:
        return [_event(name, names, samples) for name in channel.messages]
    if channel.kind is TopicKind.COMMAND:
        return [_command(name, samples) for name in ARGS_TYPES]
    if channel.kind is TopicKind.RESPONSE:
        return [_answer(name, names, samples) for name in ARGS_TYPES]
    if channel.kind is TopicKind.DESIRED:
        return [_signed("desired", "Desired", samples["desired"])]
    made: list[Schema] = []
    for name in channel.messages:
        if name:
            made.append({"name": name, "payload": _ref(names[name]), "examples": [{"payload": samples[name]}]})
        else:
            picture: Schema = {"type": "string", "format": "binary"}
            made.append({"name": _id(channel.kind), "contentType": "image/jpeg", "payload": picture})
    if channel.can_be_empty:
        nothing: Schema = {"type": "string", "maxLength": 0}
        made.append({"name": f"{channel.messages[0]}.cleared", "contentType": "text/plain", "payload": nothing})
    return made


def _ref(title: str) -> Schema:
    return {"$ref": _REF.format(name=title)}


def _event(name: str, names: Mapping[str, str], samples: Mapping[str, object]) -> Schema:
    lane = lane_of(name)
    narrowed: Schema = {
        "type": "object",
        "properties": {"type": {"const": name}, "lane": {"const": lane.value}, "data": _ref(names[name])},
        "required": _STAMP,
    }
    example = cast(Schema, samples["envelope"]) | {"type": name, "lane": lane.value, "data": samples[name]}
    example["dataschema"] = f"urn:wayside:schema:{name.split('.')[1]}"
    return {
        "name": name,
        "contentType": "application/cloudevents+json",
        "summary": f"Lane {lane.value}. Data: {DATA_TYPES[name].__name__}.",
        "payload": {"allOf": [_ref(names["envelope"]), narrowed]},
        "examples": [{"payload": example}],
    }


def _command_payload(name: CommandName, names: Mapping[str, str]) -> Schema:
    narrowed = {"properties": {"name": {"const": name.value}, "args": _ref(names[f"{name.value}.args"])}}
    return {"allOf": [_ref(names["command"]), {"type": "object", **narrowed}]}


def _command(name: CommandName, samples: Mapping[str, object]) -> Schema:
    payload = cast(Schema, samples["command"]) | {"name": name.value, "args": samples[f"{name.value}.args"]}
    return _signed(f"{name.value}.command", f"{name.value}.payload", payload)


def _signed(name: str, schema: str, payload: object) -> Schema:
    """A JWS in general JSON serialisation; `x-signed` says what its payload decodes to."""
    header = {"alg": "ES256", "kid": _NO_KEY, "typ": JWS_TYPE}
    jws = {
        "payload": base64url(_compact(payload)),
        "signatures": [{"protected": base64url(_compact(header)), "signature": _NO_SIGNATURE}],
    }
    return {
        "name": name,
        "summary": "A JWS; the signature of the example is none.",
        "payload": _ref("Jws"),
        "x-signed": {"schema": _REF.format(name=schema), "header": _REF.format(name="JwsHeader"), "example": payload},
        "examples": [{"payload": jws}],
    }


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _answer(name: CommandName, names: Mapping[str, str], samples: Mapping[str, object]) -> Schema:
    result = {"anyOf": [_ref(names[f"{name.value}.result"]), {"type": "null"}]}
    narrowed: Schema = {"type": "object", "properties": {"name": {"const": name.value}, "result": result}}
    example = cast(Schema, samples["answer"]) | {
        "name": name.value,
        "state": "succeeded",
        "result": samples[f"{name.value}.result"],
    }
    return {
        "name": f"{name.value}.answer",
        "payload": {"allOf": [_ref(names["answer"]), narrowed]},
        "examples": [{"payload": {key: value for key, value in example.items() if key != "progress"}}],
    }
