"""What the order step does: an order believed, the centre asked, a grant taken in. Each outcome is one word.

A word is explained to the technician by the texts `page.claim.{word}`; what has no sentence is told as `other`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from agent.clock import ClockQuality
from agent.contract.enrolment import EnrolAnswer
from agent.contract.wire import decode
from agent.enrolment import centre, moment, window
from agent.enrolment.nodekey import load_key
from agent.enrolment.orders import check_addressee, read_order
from agent.enrolment.papers import await_grant, install_grant
from agent.enrolment.request import ENROL_PATH, make_request
from agent.enrolment.setup import SetupState
from agent.enrolment.standing import Standing
from agent.errors import CentreUnreachable, ClaimRefused, EnrolmentError, SetupError, WireError

if TYPE_CHECKING:
    from agent.contract.enrolment import WorkOrder
    from provisioning.page.site import PageContext

# Before the first answer and where the centre names no time.
RETRY_S: Final = 15


class Turn(StrEnum):
    """ENROLLED: the node has its papers. WAITING: the same will be asked again. REFUSED: another order is needed."""

    ENROLLED = "enrolled"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`word` says why, empty when enrolled."""

    turn: Turn
    word: str = ""


def believe(context: PageContext, text: str) -> WorkOrder:
    """The order in `text` for this node, at this time. Raises ClaimRefused, EnrolmentError."""
    is_sure = context.clock.status().quality is ClockQuality.SYNCED
    order = read_order(text, context.home.load_anchors(), context.now_s(), is_clock_sure=is_sure)
    check_addressee(order, load_key(context.home))
    return order


def standing_order(context: PageContext) -> tuple[str, WorkOrder] | None:
    """The order that a grant is awaited for, as text and read; None when there is none that still holds."""
    if context.home.load_enrolment().state is not Standing.WAITING:
        return None
    text = context.home.read_text(context.home.order)
    if text is None:
        return None
    try:
        return text.strip(), believe(context, text)
    except ClaimRefused:
        return None


def is_settled(context: PageContext) -> bool:
    """Whether the node has papers and set-up is open: a node in service must be shown an order first."""
    state = context.home.load_enrolment().state
    is_knocked = window.status(context.home, moment.now()).state is SetupState.KNOCKED
    return state in (Standing.ENROLLED, Standing.IN_SERVICE) and not is_knocked


def begin(context: PageContext, text: str, *, peer: str) -> Outcome:
    """The technician said yes to this order: it opens set-up where the node is in service, and is then worked off.

    Where it brings its grant no line is needed. A node that comes back to work at its own site keeps its papers.
    """
    try:
        order = believe(context, text)
        window.open_window(context.home, order, moment.now(), peer=peer)
        record = context.home.load_enrolment()
        if record.state is Standing.IN_SERVICE and (record.org, record.site) == (order.org, order.site):
            return Outcome(Turn.ENROLLED)
        await_grant(context.home, text, order)
    except (EnrolmentError, SetupError) as exc:
        return Outcome(Turn.REFUSED, word_of(exc))
    return take(context, order.grant) if order.grant is not None else ask(context, text, order)


def ask(context: PageContext, text: str, order: WorkOrder) -> Outcome:
    """Ask the centre, once. Blocks for seconds while the line is slow."""
    try:
        request = make_request(context.home, text, context.now_s())
        answer = centre.post(order.enrol_url, ENROL_PATH, request, context.home.load_anchors().centre_ca)
    except CentreUnreachable as exc:
        return Outcome(Turn.WAITING, word_of(exc))
    except EnrolmentError as exc:
        return Outcome(Turn.REFUSED, word_of(exc))
    return _follow(context, answer)


def take(context: PageContext, text: str) -> Outcome:
    """Take in a grant: its bare text, or the centre's whole answer as a file."""
    bare = text.strip()
    if bare.startswith("{"):
        try:
            return _follow(context, decode(bare.encode(), EnrolAnswer))
        except WireError:
            return Outcome(Turn.REFUSED, "malformed_grant")
    try:
        install_grant(context.home, bare, context.now_s())
    except EnrolmentError as exc:
        word = word_of(exc)
        return Outcome(Turn.REFUSED, "malformed_grant" if word in ("malformed", "wrong_type") else word)
    return Outcome(Turn.ENROLLED)


def word_of(exc: EnrolmentError | SetupError) -> str:
    """The machine word of an error; of the many HTTP errors there is one to tell."""
    word = str(exc.facts.get("reason", "other"))
    return "http" if word.startswith("http_") else word


def _follow(context: PageContext, answer: EnrolAnswer) -> Outcome:
    if answer.state == "granted" and answer.grant is not None and not answer.grant.lstrip().startswith("{"):
        return take(context, answer.grant)
    if answer.state == "waiting":
        return Outcome(Turn.WAITING, "waiting")
    return Outcome(Turn.REFUSED, answer.reason or "other")
