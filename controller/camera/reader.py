"""The one QR reader, shared by the camera process and `zaalsleutel qr read`.

    texts = read(frame)                  # plain, and on a miss once more at double size
    texts = read(frame, enlarge=False)   # plain only: a quarter of the time on an empty scene

A picture is hostile input to decoders written in C++. Whatever goes wrong inside them is "nothing read"; what they do
read is a claim by whoever held it up, and everything that matters in it is authenticated elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import cv2
import zxingcpp

if TYPE_CHECKING:
    from hal.ports import Frame

# No other symbology: each is one more decoder for hostile pictures, and none of them is ours.
FORMATS: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)
ENLARGE: Final = 2
ENLARGED_FROM_PX_MAX: Final = 1920 * 1080
"""The largest picture a camera gives. A larger one, from a file, does not lack pixels but would cost memory."""


def read(frame: Frame, *, enlarge: bool = True) -> list[str]:
    """The distinct texts of all QR codes (Model 2) in a grey picture, in reading order; empty when there are none.

    Never raises. A text is its bytes as UTF-8, with U+FFFD for what is not: so a text of ASCII only comes from exactly
    those bytes, and no guess at a character set can turn something else into a pass.
    """
    try:
        codes = _decode(frame)
        if not codes and enlarge and frame.size <= ENLARGED_FROM_PX_MAX:
            codes = _decode(_enlarged(frame))
        return list(dict.fromkeys(code.bytes.decode("utf-8", "replace") for code in _in_reading_order(codes)))
    except Exception:  # the decoders promise no type of error; a picture nobody can decode shows no code
        return []


def _decode(frame: Frame) -> list[zxingcpp.Barcode]:
    # All three are zxing-cpp's defaults, spelled out because each one turned off loses real photographs.
    return zxingcpp.read_barcodes(frame, formats=FORMATS, try_rotate=True, try_downscale=True, try_invert=True)


def _enlarged(frame: Frame) -> Frame:
    return cast("Frame", cv2.resize(frame, None, fx=ENLARGE, fy=ENLARGE, interpolation=cv2.INTER_CUBIC))


def _in_reading_order(codes: list[zxingcpp.Barcode]) -> list[zxingcpp.Barcode]:
    """Row by row from the top, a row from the left. A code is in the row of the one above if its middle is not below
    that one's lower edge, so two codes side by side stay in order when the phone is tilted."""
    rows: list[list[zxingcpp.Barcode]] = []
    for code in sorted(codes, key=lambda code: _middle(code)[1]):
        if rows and _middle(code)[1] <= max(corner.y for corner in _corners(rows[-1][0])):
            rows[-1].append(code)
        else:
            rows.append([code])
    return [code for row in rows for code in sorted(row, key=_middle)]


def _middle(code: zxingcpp.Barcode) -> tuple[float, float]:
    corners = _corners(code)
    return sum(corner.x for corner in corners) / 4, sum(corner.y for corner in corners) / 4


def _corners(code: zxingcpp.Barcode) -> list[zxingcpp.Point]:
    place = code.position
    return [place.top_left, place.top_right, place.bottom_right, place.bottom_left]
