"""The report as one HTML file for people: Thai and English, its pictures inside, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from provisioning.acceptance.report import AcceptanceReport
from provisioning.texts import Language, say

_TEMPLATES: Final = "templates"


def _style() -> str:
    return (files(__package__) / _TEMPLATES / "report.css").read_text(encoding="utf-8")


def content_policy() -> str:
    """The Content-Security-Policy under which the document shows as it is: its own style by its hash, no script."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"


def make_document(report: AcceptanceReport, payload: bytes, kid: str, pictures: Mapping[str, bytes]) -> str:
    """payload: the signed bytes of `report`, `kid` the key that signed them, `pictures` JPEG by their file names."""
    loader = PackageLoader("provisioning.acceptance", _TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html").render(
        report=report,
        th=partial(say, Language.THAI),
        en=partial(say, Language.ENGLISH),
        # Our own file; escaping its quotes would change it.
        style=Markup(_style()),  # noqa: S704
        sha256=hashlib.sha256(payload).hexdigest(),
        kid=kid,
        pictures={name: _data_url(jpeg) for name, jpeg in pictures.items()},
    )


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
