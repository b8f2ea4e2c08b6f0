"""`wayside-provision office site`: what stands where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import JsonOption, json_line
from provisioning.cli.office_options import HERE, OfficeOption, opened, show_table

if TYPE_CHECKING:
    from agent.authority.records import ImportCounts, NodeRecord, SiteRecord

app = typer.Typer(name="site", help="The register: organisations, sites and their cameras.", no_args_is_help=True)


@app.command(name="import")
@explained
def import_register(
    file: Annotated[Path, typer.Argument(help="CSV or TOML", show_default=False)],
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Read a register: a CSV with a row per camera, or TOML. Reading it twice changes nothing; nothing is ever removed.

    CSV columns: org,district,site,name,lat,lon,camera,camera_name,purpose,retention_days. Thai text as UTF-8, with or
    without a byte order mark. On any problem nothing is imported, and each is told with its row and column.
    """
    counts = opened(office).import_register(file)
    _print_counts(counts, as_json=as_json)


@app.command()
@explained
def add(
    site: Annotated[str, typer.Argument(help="id such as hatyai-012", show_default=False)],
    org: Annotated[str, typer.Option("--org", help="id of the organisation that owns it", show_default=False)],
    name: Annotated[str, typer.Option("--name", help="what people call the place")] = "",
    district: Annotated[str, typer.Option("--district")] = "",
    camera: Annotated[list[str] | None, typer.Option("--camera", help="id=name, such as c01=North; repeat")] = None,
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Add or change one site; many come faster by `import`."""
    from agent.authority.register_rows import Row, join_rows

    cells = {"site": site, "org": org, "name": name, "district": district}
    cameras = [dict(zip(("camera", "camera_name"), each.partition("=")[::2], strict=True)) for each in camera or ()]
    rows = [Row("the command", cells | each) for each in cameras or [{}]]
    counts = opened(office).put_sites(join_rows(rows, name="site add"))
    _print_counts(counts, as_json=as_json)


@app.command(name="list")
@explained
def list_sites(
    org: Annotated[str, typer.Option("--org", help="only this organisation's")] = "",
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """All sites with their cameras, and the node in force at each."""
    place = opened(office)
    nodes = {each.site: each for each in place.nodes() if not each.is_revoked}
    sites = [each for each in place.sites() if org in ("", each.org)]
    if as_json:
        print(json_line({"sites": [_row(each, nodes.get(each.site)) for each in sites]}))
        return
    rows = []
    for each in sites:
        node = nodes.get(each.site)
        state = "" if node is None else "accepted" if node.accepted_s else "enrolled"
        cameras = " ".join(camera.id for camera in each.cameras)
        rows.append((each.org, each.district, each.site, each.name, cameras, node.node if node else "–", state))
    show_table(("org", "district", "site", "name", "cameras", "node", "state"), rows)
    print(f"{len(sites)} sites, {sum(len(each.cameras) for each in sites)} cameras")


def _row(site: SiteRecord, node: NodeRecord | None) -> Mapping[str, object]:
    return {
        **asdict(site),
        "node": node.node if node else None,
        "is_accepted": node is not None and node.accepted_s is not None,
    }


def _print_counts(counts: ImportCounts, *, as_json: bool) -> None:
    if as_json:
        print(json_line(asdict(counts)))
        return
    print(f"sites: {counts.sites_added} added, {counts.sites_changed} changed, {counts.sites_unchanged} as they were")
    cameras = counts.cameras_added, counts.cameras_changed, counts.cameras_unchanged
    print(f"cameras: {cameras[0]} added, {cameras[1]} changed, {cameras[2]} as they were")
    if counts.organisations_added:
        print(f"{counts.organisations_added} new organisations, each with its own certificate authority")
