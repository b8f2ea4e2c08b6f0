"""Whether a command's arguments can be used, and if not, in words that say what to write instead. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from agent.commands.trust import Refusal
from agent.contract.commands import AnswerState, CommandName
from agent.contract.keeping import FootageEraseArgs, HoldSetArgs
from agent.contract.requests import ARGS_TYPES, Args, ClipExportArgs, ClipPlanArgs, GapsArgs, SheetArgs
from agent.contract.wire import decode
from agent.errors import TimeError, WireError
from agent.units import DAY_S, WallSpan, parse_rfc3339, parse_span

# A day of one camera is 1 440 segments to read; more at once would keep everybody else waiting. A day has up to 25 h
# where there is daylight saving.
LONGEST_CLIP_S: Final = DAY_S + 3600
# The account of a month takes under a second and fits into one answer.
LONGEST_ACCOUNT_S: Final = 31 * DAY_S + 3600


class _Times(msgspec.Struct):
    """The times of any command's arguments, however they are written."""

    start: str | None = msgspec.field(name="from", default=None)
    end: str | None = msgspec.field(name="to", default=None)


def refuse_arguments(name: CommandName, raw: msgspec.Raw) -> Refusal | None:
    """Why these arguments are refused, None when they are good: of the right shape, with times that exist and a span
    that can be answered at once."""
    try:
        args = decode(raw, ARGS_TYPES[name])
        span = _span(args)
    except TimeError as exc:
        return Refusal(AnswerState.REJECTED, "bad_time", str(exc))
    except WireError as exc:
        # A time without an offset does not fit the schema, whose words would help nobody. (Not every `from` is one.)
        time = None if name is CommandName.REPUBLISH else _time_trouble(raw)
        if time is not None:
            return Refusal(AnswerState.REJECTED, "bad_time", str(time))
        return Refusal(AnswerState.REJECTED, "bad_arguments", str(exc.facts.get("detail") or exc))
    limit_s = LONGEST_ACCOUNT_S if isinstance(args, GapsArgs) else LONGEST_CLIP_S
    if span is not None and span.duration_s > limit_s:
        longest = f"{limit_s // DAY_S} days" if limit_s > 2 * DAY_S else "a day"
        return Refusal(AnswerState.REJECTED, "span_too_long", f"at most {longest} at once; ask for it in parts")
    return None


def _span(args: Args) -> WallSpan | None:
    if isinstance(args, ClipPlanArgs | ClipExportArgs | SheetArgs | HoldSetArgs | FootageEraseArgs):
        return parse_span(args.start, args.end)
    if isinstance(args, GapsArgs) and args.start is not None and args.end is not None:
        return parse_span(args.start, args.end)
    if isinstance(args, GapsArgs) and args.day is not None:
        noon_ns = parse_rfc3339(f"{args.day.isoformat()}T12:00:00Z", name="day")
        return WallSpan(noon_ns, noon_ns + 1)
    return None


def _time_trouble(raw: msgspec.Raw) -> TimeError | None:
    try:
        times = decode(raw, _Times)
        for name, text in (("from", times.start), ("to", times.end)):
            if text is not None:
                parse_rfc3339(text[:60], name=name)
    except TimeError as exc:
        return exc
    except WireError:
        return None
    return None
