"""`wayside-provision office`: the register, work orders, labels and nodes' papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import JsonOption, json_line
from agent.errors import RegisterError
from provisioning.cli import office_broker, office_cluster, office_node, office_person, office_site
from provisioning.cli.office_options import HERE, OfficeOption, OutOption, now_s, opened

if TYPE_CHECKING:
    from agent.authority.office import Office
    from agent.authority.orders import OrderWish
    from provisioning.office.filing import FiledLabels, FiledOrder

app = typer.Typer(name="office", help="The office's tool: register, work orders, labels, papers.", no_args_is_help=True)
app.add_typer(office_site.app)
office_node.add_commands(app)
office_broker.add_commands(app)
office_cluster.add_commands(app)
office_person.add_commands(app)


@app.command()
@explained
def init(
    enrol_url: Annotated[
        str, typer.Option("--enrol-url", help="where nodes enrol, https://centre.example:8843", show_default=False)
    ],
    broker: Annotated[
        str, typer.Option("--broker", help="the centre's broker, mqtts://centre.example:8883", show_default=False)
    ],
    org: Annotated[str, typer.Option("--org", help="id of a first organisation")] = "",
    name: Annotated[str, typer.Option("--name", help="its name")] = "",
    timezone: Annotated[str, typer.Option("--timezone", help="of the sites")] = "Asia/Bangkok",
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Set the office up, or change its addresses; keys and register that are there stay.

    The folder holds the private keys of every organisation: back it up, and let nobody read it.
    """
    from agent.authority.office import Office
    from agent.authority.register_rows import checked_id

    org = checked_id(org, name="org") if org else ""
    made = Office.create(office, enrol_url=enrol_url, broker_url=broker, timezone=timezone, now_s=now_s())
    if org:
        made.add_organisation(org, name, now_s=now_s())
    orgs = [each.org for each in made.organisations()]
    if as_json:
        print(json_line({"office": str(office), "organisations": orgs}))
        return
    print(f"The office is in {office}. Organisations: {', '.join(orgs) or 'none yet'}.")
    print("Next: `wayside-provision office site import FILE`, then `office anchors` for the image's boot partition.")


@app.command()
@explained
def order(
    site: Annotated[list[str] | None, typer.Option("--site", help="one or more; repeat")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="every site that has no node in force")] = False,
    label: Annotated[
        Path | None,
        typer.Option("--label", help="the expected node's wayside-label.json, or the boot partition it lies on"),
    ] = None,
    csr: Annotated[Path | None, typer.Option("--csr", help="its wayside-node.csr, if not beside the label")] = None,
    replaces: Annotated[str, typer.Option("--replaces", help="the dead node at this site: its id or label")] = "",
    hours: Annotated[float, typer.Option("--hours", min=0.1, max=24 * 30, help="how long the order is good")] = 72,
    office: OfficeOption = HERE,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make work orders: a file to carry, a QR as SVG and a printable page each, and orders.html with all pages.

    With --label only that node can use the order. If its CSR lies beside the label, its papers are made at once and lie
    in the order's file: the node can then be enrolled where there is no line at all.
    """
    from provisioning.office.filing import file_orders

    place = opened(office)
    names = _sites_to_order(place, site or [], is_all=is_all)
    if (label or csr or replaces) and len(names) != 1:
        raise RegisterError(reason="one_site", remedy="--label, --csr and --replaces are for one site")
    life_s = round(hours * 3600)
    wishes = [_wish(name, label, csr, replaces, life_s) for name in names]
    filed, sheet = file_orders(place, place.make_orders(wishes, now_s=now_s()), out or office / "out" / "orders")
    _print_orders(filed, sheet, as_json=as_json)


@app.command()
@explained
def label(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="nodes' wayside-label.json, or the boot partitions they lie on", show_default=False),
    ] = None,
    site: Annotated[list[str] | None, typer.Option("--site", help="labels for these sites' poles; repeat")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="labels for every site's pole")] = False,
    office: OfficeOption = HERE,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make labels: QR as SVG, and A4 sheets of ten as HTML. A node's label has a part with its PIN to be torn off.

    The sheet of node labels holds the PINs: print it once, then remove it.
    """
    from provisioning.office.filing import file_node_labels, file_site_labels
    from provisioning.office.labels import read_label

    place = opened(office)
    folder = out or office / "out" / "labels"
    filed = []
    if files:
        filed.append(file_node_labels(place, [read_label(file) for file in files], folder))
    if is_all or site:
        filed.append(file_site_labels(place, () if is_all else tuple(site or ()), folder))
    if not filed:
        raise RegisterError(reason="no_label", remedy="name label files, or --site, or --all")
    _print_labels(filed, as_json=as_json)


def _sites_to_order(place: Office, names: list[str], *, is_all: bool) -> list[str]:
    if is_all == bool(names):
        raise RegisterError(reason="no_site", remedy="name sites with --site, or all free ones with --all")
    if names:
        return list(dict.fromkeys(names))
    taken = {each.site for each in place.nodes() if not each.is_revoked}
    free = [each.site for each in place.sites() if each.site not in taken]
    if not free:
        remedy = "no site is without a node; import sites, or name one with --site and --replaces"
        raise RegisterError(reason="no_site", remedy=remedy)
    return free


def _wish(site: str, label: Path | None, csr: Path | None, replaces: str, life_s: int) -> OrderWish:
    from agent.authority.orders import OrderWish
    from provisioning.office.labels import node_of, read_label

    replaced = node_of(replaces) or None
    if label is None:
        if csr is not None:
            raise RegisterError(reason="no_label", remedy="--csr goes with the --label of the same node")
        return OrderWish(site, replaces=replaced, life_s=life_s)
    found = read_label(label, csr)
    return OrderWish(site, found.label.spki_sha256, found.csr, replaced, life_s)


def _print_orders(filed: Sequence[FiledOrder], sheet: Path, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "order": each.made.order.order,
                "org": each.made.order.org,
                "site": each.made.order.site,
                "node": each.made.order.node,
                "replaces": each.made.order.replaces,
                "exp": each.made.order.exp,
                "has_grant": each.made.order.grant is not None,
                "text": str(each.text),
                "qr": str(each.qr),
                "page": str(each.page),
            }
            for each in filed
        ]
        print(json_line({"orders": rows, "print": str(sheet)}))
        return
    for each in filed if len(filed) <= 10 else ():
        made = each.made.order
        papers = ", its papers inside" if made.grant else ""
        print(f"{made.site}: {each.text} (for {made.node or 'any node'}{papers})")
    print(f"{len(filed)} orders; print {sheet}")


def _print_labels(filed: Sequence[FiledLabels], *, as_json: bool) -> None:
    if as_json:
        rows = [{"print": str(each.sheet), "qr": [str(path) for path in each.symbols]} for each in filed]
        print(json_line({"sheets": rows}))
        return
    for each in filed:
        print(f"{len(each.symbols)} labels; print {each.sheet}")
