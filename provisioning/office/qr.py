"""QR codes (ISO/IEC 18004) as SVG: sharp at any size, with no picture file beside the page."""

from __future__ import annotations

import io
from dataclasses import dataclass

import segno
from markupsafe import Markup

# Beyond this a text fills a symbol of version 18 or more. What is that long is a signed text in base64, as random as
# any mask would make it: trying all eight masks costs 50 ms an order and changes nothing that a reader would notice.
_MASK_TRIED_BELOW = 600
_MASK = 3


@dataclass(frozen=True, slots=True)
class Symbol:
    """A QR code, made once and drawn as often as it is printed."""

    _code: segno.QRCode

    def inline(self) -> Markup:
        """An `<svg>` for HTML; its size is the page's to give."""
        # The text itself is not in it, only squares: there is nothing to escape.
        return Markup(self._code.svg_inline(border=4, omitsize=True, svgclass="qr", lineclass=None))  # noqa: S704

    def file(self) -> str:
        """A whole SVG document with its quiet zone (four modules, ISO/IEC 18004, 5.3.8)."""
        file = io.BytesIO()
        self._code.save(file, kind="svg", border=4, scale=4, light="#fff")
        return file.getvalue().decode("utf-8")


def encode_qr(text: str) -> Symbol:
    # Level L at least; segno raises it as far as the version has room. A page is held flat and does not wear.
    mask = _MASK if len(text) >= _MASK_TRIED_BELOW else None
    return Symbol(segno.make(text, micro=False, error="l", mask=mask))
