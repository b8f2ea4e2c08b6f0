"""Work orders and labels as HTML that prints on A4 by itself: no script, no font, no address elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup

from agent.authority.records import SiteRecord
from agent.contract.enrolment import Label, WorkOrder
from agent.enrolment.words import six_words
from provisioning.office.dates import tell_instant
from provisioning.office.qr import Symbol, encode_qr
from provisioning.texts import Language, say

# Two columns of five, 99.1 x 57 mm: sheets of such labels are sold everywhere (Avery L7173 and alike).
LABELS_A_SHEET = 10


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One order to be printed. `owner` is the organisation's name, `symbol` the order's QR, `place` that of its map."""

    order: WorkOrder
    site: SiteRecord
    owner: str
    symbol: Markup
    place: Markup | None

    @property
    def words(self) -> tuple[str, ...]:
        return six_words(self.order.spki_sha256) if self.order.spki_sha256 else ()

    @property
    def number(self) -> str:
        """What people say on the phone: the end of the order's id, which is random."""
        return self.order.order[-8:].upper()

    @property
    def file(self) -> str:
        """What the technician carries beside the sheet."""
        return order_file(self.order.site)

    def until(self, language: Language) -> str:
        return tell_instant(self.order.exp, ZoneInfo(self.order.timezone), language)


def order_file(site: str) -> str:
    return f"{site}.order.txt"


def lay_out(order: WorkOrder, site: SiteRecord, *, owner: str, symbol: Symbol) -> OrderPage:
    """`symbol`: the order's QR. The map's is a geo URI (RFC 5870): a phone opens its own map, line or not."""
    place = None if site.lat is None or site.lon is None else encode_qr(f"geo:{site.lat:.6f},{site.lon:.6f}").inline()
    return OrderPage(order, site, owner, symbol.inline(), place)


@dataclass(frozen=True, slots=True)
class NodeLabel:
    """A node's label; its right part with the PIN is torn off and carried by the technician."""

    label: Label
    symbol: Markup
    place: str = ""

    @property
    def pin(self) -> tuple[str, str]:
        """Two groups of four, as people read eight digits aloud."""
        return self.label.pin[:4], self.label.pin[4:]


@dataclass(frozen=True, slots=True)
class SiteLabel:
    """A site's label, for the pole: it stays when the node is swapped."""

    site: SiteRecord
    owner: str
    symbol: Markup


def print_orders(pages: Sequence[OrderPage]) -> str:
    """A page an order."""
    return _environment().get_template("orders.html").render(pages=pages, **_texts())


def print_node_labels(labels: Sequence[NodeLabel]) -> str:
    return _environment().get_template("labels.html").render(sheets=_sheets(labels), kind="node", **_texts())


def print_site_labels(labels: Sequence[SiteLabel]) -> str:
    return _environment().get_template("labels.html").render(sheets=_sheets(labels), kind="site", **_texts())


def _sheets(labels: Sequence[NodeLabel] | Sequence[SiteLabel]) -> list[Sequence[NodeLabel] | Sequence[SiteLabel]]:
    return [labels[start : start + LABELS_A_SHEET] for start in range(0, len(labels), LABELS_A_SHEET)]


def _texts() -> dict[str, Callable[..., str] | Language]:
    return {
        "th": partial(_say, Language.THAI),
        "en": partial(_say, Language.ENGLISH),
        "TH": Language.THAI,
        "EN": Language.ENGLISH,
    }


def _say(language: Language, key: str, **facts: object) -> str:
    return say(language, f"office.{key}", **facts)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("provisioning.office"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
