"""How well the camera sees: light, focus, and how large a QR code has to be for it.

    sight = look(frame)
    sight.blur_px, sight.brightness, sight.pass_mm

A code of a pass has 29 modules and 4 quiet ones on each side. 90 % of photographed codes read from 1.5 pixels a module
when sharp, and from 2.5 to 5 under a blur of 1 to 3 pixels, as fixed-focus cameras have at 15-25 cm (measured).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from hal.ports import Frame

MODULES: Final = 29 + 2 * 4
SHARP_PX: Final = 1.5
PX_PER_BLUR_PX: Final = (5.0 - SHARP_PX) / 3
DISTANCE_MM: Final = 200
VIEW_DEGREES: Final = 60
"""Horizontal view of the cameras people buy; 640 pixels are 231 mm at 20 cm."""
EDGE_GREY: Final = 60
"""A step in grey that is an edge and not noise."""
GRID_PX: Final = 2 / math.sqrt(2 * math.pi)
"""The blur that a perfectly sharp step seems to have, because slopes are taken over two pixels."""
NEAR_PX: Final = 25
"""Where the two sides of an edge are looked for; a blur of 4 pixels is 20 wide."""


@dataclass(frozen=True)
class Sight:
    """`brightness` 0-255; `glare` the share of pixels that are pure white; `blur_px` the width (sigma) of the sharpest
    edge, None where there is no edge to judge by; `pass_mm` how wide a pass must be at 20 cm, quiet zone included."""

    brightness: float
    glare: float
    blur_px: float | None
    pass_mm: float | None


def look(frame: Frame) -> Sight:
    """Judge one picture (grey, uint8)."""
    blur_px = sharpest_edge_px(frame)
    pass_mm = None
    if blur_px is not None:
        mm_per_px = 2 * DISTANCE_MM * math.tan(math.radians(VIEW_DEGREES / 2)) / frame.shape[1]
        pass_mm = MODULES * (SHARP_PX + PX_PER_BLUR_PX * blur_px) * mm_per_px
    return Sight(float(frame.mean()), float((frame == 255).mean()), blur_px, pass_mm)


def sharpest_edge_px(frame: Frame) -> float | None:
    """Sigma of the blur at the sharpest edges: a step of height h, blurred, has the slope h / (sigma sqrt(2 pi))."""
    grey = frame.astype(np.float32)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 8
    near = np.ones((NEAR_PX, NEAR_PX), np.uint8)
    height = cv2.dilate(grey, near) - cv2.erode(grey, near)
    edges = (height >= EDGE_GREY) & (slope > 1)
    if not edges.any():
        return None
    sigma = height[edges] / (slope[edges] * math.sqrt(2 * math.pi))
    # The sharpest hundredth: one edge in focus is enough to know what the lens can do.
    seen = float(np.percentile(sigma, 1))
    return math.sqrt(max(0.0, seen**2 - GRID_PX**2))
