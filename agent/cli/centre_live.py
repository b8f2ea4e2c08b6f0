"""`wayside centre live`: look at a camera for a while, by a media server or as pictures in a file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from agent.centre.client import CentreClient, Request
from agent.cli.asking import exit_of, find_node, require_folder
from agent.cli.desk import Desk, at_desk
from agent.cli.settings import JsonOption, json_line
from agent.contract.commands import Answer, AnswerState, CommandName
from agent.contract.looking import LiveStartArgs, LiveStartResult, LiveStopArgs
from agent.contract.topics import NodeAddress, TopicKind, parse_topic
from agent.contract.wire import decode
from agent.errors import UsageError

# Asked again when half of it is left: a desk that dies is looked at no longer than this.
_LEASE_S = 60.0
_RENEW_S = _LEASE_S / 2
_TICK_S = 0.5
# A node waits for a first picture and for its ingest 45 s at most.
_ANSWER_S = 60.0


@at_desk
def live(
    desk: Desk,
    node: Annotated[str, typer.Option("--node", help="org/site/node, or the node's id where it is unique")],
    camera: Annotated[str, typer.Option(help="the camera's id")],
    *,
    ingest: Annotated[str, typer.Option(help="rtsps://… of a media server, to which the stream is pushed …")] = "",
    out: Annotated[Path | None, typer.Option(help="… or the file that always holds the newest picture")] = None,
    seconds: Annotated[float, typer.Option(help="stop after this long; 0: until interrupted", min=0)] = 0.0,
    purpose: Annotated[str, typer.Option("--purpose", help="why; it stands in the node's audit")] = "look",
    as_json: JsonOption = False,
) -> None:
    """Look at a camera while this runs: its stream at a media server, or a picture a second in a file."""
    if bool(ingest) == (out is not None):
        raise UsageError(remedy="name --ingest or --out, one of them")
    if out is not None:
        require_folder(out)
    with desk.connected("state", f"cam/{camera}/live") as client:
        look = _Look(client, find_node(client, node), camera, ingest, purpose)
        result = look.ask()
        if as_json:
            said = {"camera": camera, "lease_id": result.lease_id, "stream": result.stream, "codec": result.codec}
            print(json_line({**said, "width": result.width, "height": result.height}), flush=True)
        else:
            where = ingest.partition("?")[0] or str(out)
            shown = f"{camera}, {result.stream} stream, {result.codec} {result.width} × {result.height}, at {where}"
            print(f"{shown}; Ctrl-C ends it", flush=True)
        try:
            count = look.go_on(out, seconds)
        except KeyboardInterrupt:
            count = look.count
        finally:
            look.stop()
    if out is not None and not as_json:
        print(f"{count} pictures, the newest of them in {out}", file=sys.stderr)


class _Look:
    """A lease that is asked for again while somebody looks."""

    def __init__(self, client: CentreClient, address: NodeAddress, camera: str, ingest: str, purpose: str) -> None:
        self._client = client
        self._address = address
        self._camera = camera
        self._ingest = ingest
        self._purpose = purpose
        self._lease_id: str | None = None
        self.count = 0

    def ask(self) -> LiveStartResult:
        """Ends the command where the node says no."""
        args = LiveStartArgs(camera=self._camera, ingest_url=self._ingest or None, lease_s=_LEASE_S)
        answer = self._ask(CommandName.LIVE_START, args)
        if answer.state is not AnswerState.SUCCEEDED:
            said = f"{answer.state.value} ({answer.reason}): {answer.message}"
            print(f"wayside: the node answered {said}", file=sys.stderr)
            raise typer.Exit(exit_of(answer.state))
        result = decode(answer.result, LiveStartResult)
        self._lease_id = result.lease_id
        return result

    def go_on(self, out: Path | None, seconds: float) -> int:
        """Until the time is over; the number of pictures that came."""
        now_s = time.monotonic()
        until_s, renew_s = (now_s + seconds if seconds else None), now_s + _RENEW_S
        while until_s is None or time.monotonic() < until_s:
            if time.monotonic() >= renew_s:
                renew_s += _RENEW_S
                self.ask()
            message = self._client.inbox.take(_TICK_S)
            if message is None or out is None:
                continue
            topic = parse_topic(message.topic)
            if topic.kind is TopicKind.CAMERA_LIVE and topic.address == self._address:
                part = out.with_name(f".{out.name}.part")
                part.write_bytes(message.payload)
                part.replace(out)
                self.count += 1
        return self.count

    def stop(self) -> None:
        """Another desk that looks at the same asks again within half a minute."""
        self._ask(CommandName.LIVE_STOP, LiveStopArgs(camera=self._camera, lease_id=self._lease_id))

    def _ask(self, name: CommandName, args: LiveStartArgs | LiveStopArgs) -> Answer:
        return self._client.ask(Request(self._address, name, args, self._purpose), timeout_s=_ANSWER_S)
