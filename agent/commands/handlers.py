"""The commands that this node understands, each with the function that carries it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.commands.cancel import cancel_clip
from agent.commands.clip import export_clip_command, plan_clip_command
from agent.commands.erase import erase_footage
from agent.commands.forecast import forecast
from agent.commands.gaps import gaps
from agent.commands.hold import release_staff_hold, set_staff_hold
from agent.commands.live import start_live, stop_live
from agent.commands.ping import ping
from agent.commands.republish import republish
from agent.commands.restart import restart_agent
from agent.commands.sheet import make_sheet
from agent.commands.snapshot import snapshot
from agent.commands.tend import open_setup, refresh_config, renew_certificate
from agent.commands.traffic import traffic
from agent.commands.work import Outcome, Work
from agent.contract.commands import CommandName

Handler = Callable[[Work], Outcome]
HANDLERS: Final[dict[CommandName, Handler]] = {
    CommandName.PING: ping,
    CommandName.REPUBLISH: republish,
    CommandName.CLIP_PLAN: plan_clip_command,
    CommandName.CLIP_EXPORT: export_clip_command,
    CommandName.CLIP_CANCEL: cancel_clip,
    CommandName.SHEET: make_sheet,
    CommandName.SNAPSHOT: snapshot,
    CommandName.LIVE_START: start_live,
    CommandName.LIVE_STOP: stop_live,
    CommandName.GAPS: gaps,
    CommandName.TRAFFIC: traffic,
    CommandName.HOLD_SET: set_staff_hold,
    CommandName.HOLD_RELEASE: release_staff_hold,
    CommandName.FORECAST: forecast,
    CommandName.CONFIG_REFRESH: refresh_config,
    CommandName.AGENT_RESTART: restart_agent,
    CommandName.CERT_RENEW: renew_certificate,
    CommandName.SETUP_OPEN: open_setup,
    CommandName.FOOTAGE_ERASE: erase_footage,
}
