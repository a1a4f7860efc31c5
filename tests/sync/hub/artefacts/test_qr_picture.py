"""The QR code as a picture is what the camera process reads, with the size and the white the standard asks for."""

import re

import cv2
import numpy as np
import pytest

from controller.camera.reader import read
from sync.hub.artefacts.qr_picture import PNG_MIN_PX, QUIET_MODULES, modules, png, svg
from tests.sync.hub.artefacts.sheets import PASS

SIDE = 29  # version 3


def grey(picture: bytes):
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)


def test_a_pass_takes_version_3_at_level_m():
    symbol = modules(PASS)
    assert [len(symbol)] + [len(row) for row in symbol] == [SIDE] * (SIDE + 1)
    # Format information, masked: the first two bits beside the upper left finder tell the level, 10 ^ 00 for M.
    assert [symbol[8][0], symbol[8][1]] == [True, False]


def test_the_png_is_large_black_and_white_and_reads():
    picture = grey(png(PASS))
    height, width = picture.shape
    assert height == width >= PNG_MIN_PX
    assert set(np.unique(picture)) == {0, 255}
    assert read(picture) == [PASS]


def test_four_modules_around_the_symbol_are_white():
    picture = grey(png(PASS))
    module = len(picture) // (SIDE + 2 * QUIET_MODULES)
    quiet = module * QUIET_MODULES
    inside = picture[quiet:-quiet, quiet:-quiet]
    assert (picture == 0).sum() == (inside == 0).sum()
    assert not inside[0, :module].any()


@pytest.mark.parametrize("text", [PASS, "ZS1:" + "A" * 56])
def test_the_svg_draws_the_same_modules(text):
    drawn = svg(text, "QR & co")
    assert "<title>QR &amp; co</title>" in drawn
    assert "<script" not in drawn
    side = SIDE + 2 * QUIET_MODULES
    assert f'viewBox="0 0 {side} {side}"' in drawn
    assert rasterised(drawn, side) == [[*row] for row in modules(text)]


def rasterised(drawn: str, side: int) -> list[list[bool]]:
    """The modules of segno's one path of horizontal strokes (`M x y`, `m dx dy`, `h length`)."""
    path = re.search(r'stroke="#000"[^>]*d="([^"]+)"|d="([^"]+)"[^>]*stroke="#000"', drawn)
    assert path is not None
    black = np.zeros((side, side), bool)
    x, y = 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]+)", path[1] or path[2]):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            black[int(y), int(x) : int(x + values[0])] = True
            x += values[0]
        else:
            x, y = values if command == "M" else (x + values[0], y + values[1])
    inside = black[QUIET_MODULES:-QUIET_MODULES, QUIET_MODULES:-QUIET_MODULES]
    return [[bool(module) for module in row] for row in inside]
