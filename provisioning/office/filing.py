"""What is printed, as files: only the office may read them, for an order lets a box in and a label holds a PIN."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.authority.office import Office
from agent.authority.orders import MadeOrder
from agent.errors import StoreError
from provisioning.office.labels import BootFiles, label_text, site_text
from provisioning.office.printing import (
    NodeLabel,
    SiteLabel,
    lay_out,
    order_file,
    print_node_labels,
    print_orders,
    print_site_labels,
)
from provisioning.office.qr import encode_qr

_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class FiledOrder:
    """`text`: the file to carry, with the grant where it was made in advance; `qr` an SVG; `page` one sheet of HTML."""

    made: MadeOrder
    text: Path
    qr: Path
    page: Path


@dataclass(frozen=True, slots=True)
class FiledLabels:
    """`sheet`: all labels as HTML; `symbols`: each QR as SVG."""

    sheet: Path
    symbols: tuple[Path, ...]


def file_orders(office: Office, made: Sequence[MadeOrder], folder: Path) -> tuple[list[FiledOrder], Path]:
    """Three files an order, named by its site, and one HTML with all of them to be printed in one go."""
    owners = {each.org: each.name for each in office.organisations()}
    sites = {each.site: each for each in office.sites()}
    pages, filed = [], []
    for each in made:
        order, symbol = each.order, encode_qr(office.qr_text(each.order))
        page = lay_out(order, sites[order.site], owner=owners[order.org], symbol=symbol)
        stem = folder / order.site
        filed.append(
            FiledOrder(
                each,
                text=put(stem.with_name(order_file(order.site)), each.text + "\n"),
                qr=put(stem.with_name(f"{order.site}.qr.svg"), symbol.file()),
                page=put(stem.with_name(f"{order.site}.html"), print_orders([page])),
            )
        )
        pages.append(page)
    return filed, put(folder / "orders.html", print_orders(pages))


def file_node_labels(office: Office, found: Sequence[BootFiles], folder: Path) -> FiledLabels:
    """The sheet holds the PINs: it is printed once and removed."""
    places = {each.node: f"{each.org} · {each.site}" for each in office.nodes()}
    labels, symbols = [], []
    for each in found:
        symbol = encode_qr(label_text(each.label))
        labels.append(NodeLabel(each.label, symbol.inline(), places.get(each.label.node, "")))
        symbols.append(put(folder / f"{each.label.node}.qr.svg", symbol.file()))
    return FiledLabels(put(folder / "node-labels.html", print_node_labels(labels)), tuple(symbols))


def file_site_labels(office: Office, names: Sequence[str], folder: Path) -> FiledLabels:
    """Of the sites named, or of all."""
    owners = {each.org: each.name for each in office.organisations()}
    labels, symbols = [], []
    for each in office.sites(names):
        symbol = encode_qr(site_text(each.org, each.site))
        labels.append(SiteLabel(each, owners[each.org], symbol.inline()))
        symbols.append(put(folder / f"{each.site}.qr.svg", symbol.file()))
    return FiledLabels(put(folder / "site-labels.html", print_site_labels(labels)), tuple(symbols))


def put(path: Path, text: str) -> Path:
    """Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, _PRIVATE)
            file.write(text)
    except OSError as exc:
        raise StoreError(file=str(path), error=exc.strerror or "", remedy="check the folder and the disk") from exc
    return path
