"""The one QR reader, shared by the camera process and `zaalsleutel qr read`.

    texts = read(frame)                           # as it is, then every further look until one reads something
    texts = read(frame, looks=(Look.ENLARGED,))   # as it is, then at most this one: what a live picture can afford

A picture is hostile input to decoders written in C++. Whatever goes wrong inside them is "nothing read"; what they do
read is a claim by whoever held it up, and everything that matters in it is authenticated elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, cast

import cv2
import zxingcpp

if TYPE_CHECKING:
    from hal.ports import Frame

# No other symbology: each is one more decoder for hostile pictures, and none of them is ours.
FORMATS: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)
ENLARGE: Final = 2
LOOK_PX_MAX: Final = 1920 * 1080
"""The largest picture a camera gives. A larger one, from a file, is made this small for the further looks: it does not
lack pixels, and time and memory stay bounded."""
AROUND_PX: Final = 31
"""How far around a pixel its threshold is formed, at double size: four to eight modules of a small code."""
SOFTEN_PX, SHARPEN_PX, SHARPEN_BY = 0.8, 2.0, 3.0
"""Noise is a pixel wide, a module that can still be read is two: soften by less than one, sharpen by two."""
CRISP_PX, CRISP_BY = 0.7, 1.0
"""Where a module is a pixel and a half, what its neighbours took from it is less than a pixel away."""


class Look(Enum):
    """What may be done to a picture that shows no code as it is; README.md has what each finds, and what it costs."""

    ENLARGED = auto()
    """A small code: two pixels a module are too few for the decoder's grid, though the picture holds enough to tell.
    Its edges are made crisper first, which finds half as many again for a third of the price."""
    THRESHOLDED = auto()
    """A small code in uneven light, or blurred: black and white by the mean around each pixel, at double size."""
    SHARPENED = auto()
    """A shaken, unfocused or noisy one: what blur took from the edges given back, after the noise was taken off."""


LOOKS: Final = tuple(Look)
"""In the order of what they find for what they cost."""


def read(frame: Frame, looks: Sequence[Look] = LOOKS) -> list[str]:
    """The distinct texts of all QR codes (Model 2) in a grey picture, in reading order; empty when there are none.

    Never raises. A text is its bytes as UTF-8, with U+FFFD for what is not: so a text of ASCII only comes from exactly
    those bytes, and no guess at a character set can turn something else into a pass.
    """
    return read_by(frame, looks)[0]


def read_by(frame: Frame, looks: Sequence[Look] = LOOKS) -> tuple[list[str], Look | None]:
    """As `read`, and which look it took; None for the picture as it is, or when nothing was read."""
    try:
        for codes, look in _attempts(frame, looks):
            if codes:
                texts = [code.bytes.decode("utf-8", "replace") for code in _in_reading_order(codes)]
                return list(dict.fromkeys(texts)), look
    except Exception:  # the decoders promise no type of error; a picture nobody can decode shows no code
        return [], None
    return [], None


def _attempts(frame: Frame, looks: Sequence[Look]) -> Iterator[tuple[list[zxingcpp.Barcode], Look | None]]:
    yield _decode(frame), None
    # One threshold for the whole picture costs a quarter of the first try, and tells apart what glare washed out.
    yield _decode(frame, zxingcpp.Binarizer.GlobalHistogram), None
    for look in looks:
        yield _decode(_seen(frame, look)), look


def _seen(frame: Frame, look: Look) -> Frame:
    """The picture as a look sees it."""
    match look:
        case Look.ENLARGED:
            return _enlarged(_sharper(frame, CRISP_PX, CRISP_BY))
        case Look.THRESHOLDED:
            large, white = _enlarged(frame), 255
            by, kind = cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY
            return cast("Frame", cv2.adaptiveThreshold(large, white, by, kind, AROUND_PX, 2))
        case Look.SHARPENED:
            soft = cast("Frame", cv2.GaussianBlur(frame, (0, 0), SOFTEN_PX))
            return _enlarged(_sharper(soft, SHARPEN_PX, SHARPEN_BY))


def _sharper(frame: Frame, across_px: float, by: float) -> Frame:
    """What differs from its surroundings differs more."""
    around = cv2.GaussianBlur(frame, (0, 0), across_px)
    return cast("Frame", cv2.addWeighted(frame, 1 + by, around, -by, 0))


def _decode(frame: Frame, binarizer: zxingcpp.Binarizer = zxingcpp.Binarizer.LocalAverage) -> list[zxingcpp.Barcode]:
    # All three are zxing-cpp's defaults, spelled out because each one turned off loses real photographs.
    return zxingcpp.read_barcodes(
        frame, formats=FORMATS, binarizer=binarizer, try_rotate=True, try_downscale=True, try_invert=True
    )


def _enlarged(frame: Frame) -> Frame:
    if frame.size <= LOOK_PX_MAX:
        return cast("Frame", cv2.resize(frame, None, fx=ENLARGE, fy=ENLARGE, interpolation=cv2.INTER_CUBIC))
    shrink = (LOOK_PX_MAX / frame.size) ** 0.5
    return cast("Frame", cv2.resize(frame, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))


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
