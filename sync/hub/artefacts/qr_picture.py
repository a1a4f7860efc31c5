"""A QR code as SVG or PNG: what a phone shows and a printer prints.

The pass is 60 characters of the alphanumeric set, so level M gives version 3, 29 modules a side: large modules, read by
a fixed-focus camera at 20 cm. Around it four modules stay white, as the standard asks and readers need.
"""

from __future__ import annotations

import io

import segno

QUIET_MODULES = 4
PNG_MIN_PX = 600
LEVEL = "m"


def modules(text: str) -> list[list[bool]]:
    """The symbol without its quiet zone, row by row; True is black."""
    return [[bool(module) for module in row] for row in _symbol(text).matrix]


def svg(text: str, title: str) -> str:
    """A complete SVG document, for a file or for use inside HTML; `title` is what a screen reader says."""
    drawn = io.BytesIO()
    _symbol(text).save(
        drawn, kind="svg", border=QUIET_MODULES, light="#fff", title=title, xmldecl=False, omitsize=True, nl=False
    )
    return drawn.getvalue().decode("utf-8")


def png(text: str) -> bytes:
    """Black and white, at least `PNG_MIN_PX` pixels a side, every module a whole number of pixels (R004-03)."""
    symbol = _symbol(text)
    side = symbol.symbol_size(border=QUIET_MODULES)[0]
    drawn = io.BytesIO()
    symbol.save(drawn, kind="png", border=QUIET_MODULES, scale=-(-PNG_MIN_PX // side))
    return drawn.getvalue()


def _symbol(text: str) -> segno.QRCode:
    # `boost_error` would raise the level where there is room; the level stays what paper and scanners are tried with.
    return segno.make(text, error=LEVEL, micro=False, boost_error=False)
