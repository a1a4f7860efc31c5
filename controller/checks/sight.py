"""What the camera sees: light, focus, and whether a pass on a telephone is large enough for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from controller.checks.finding import Finding, amber, green, red
from controller.config import Config
from hal.errors import HardwareFault
from hal.pins import Board
from hal.ports import Camera

if TYPE_CHECKING:
    from controller.camera.sight import Sight

FRAMES: Final = 10
"""Automatic exposure needs some pictures."""
FRAME_S: Final = 2.0
DARK, BRIGHT = 40, 215
GLARE: Final = 0.3
TELEPHONE_MM: Final = 60
"""A telephone shows a code of 60 to 65 mm."""
PAPER_MM: Final = 80


def sight(config: Config) -> Iterator[Finding]:
    """Open the camera, look, judge. Nothing is kept of the pictures."""
    part = config.part("camera")
    if part is None:
        return
    from controller.camera.sight import look

    try:
        camera: Camera = part.driver.open(part.settings, Board())
    except HardwareFault as fault:
        yield amber("camera sight", str(fault), "while the camera process has it: systemctl stop zaalsleutel-camera")
        return
    try:
        frames = [frame for _ in range(FRAMES) if (frame := camera.read(FRAME_S)) is not None]
    except HardwareFault as fault:
        frames = []
        yield red("camera sight", str(fault), "look at its cable")
    finally:
        camera.close()
    if frames:
        seen = look(frames[-1])
        yield light(seen)
        yield focus(seen)


def light(seen: Sight) -> Finding:
    """Whether there is enough light, and not too much."""
    fact = f"brightness {seen.brightness:.0f} of 255, {seen.glare:.0%} dazzled"
    if seen.brightness < DARK:
        return amber("camera light", fact, "it is dark before the camera: put up a lamp")
    if seen.brightness > BRIGHT or seen.glare > GLARE:
        return amber("camera light", fact, "something dazzles the camera: turn it, or shade it")
    return green("camera light", fact)


def focus(seen: Sight) -> Finding:
    """How large a pass has to be at 20 cm."""
    if seen.pass_mm is None or seen.blur_px is None:
        return amber(
            "camera focus", "nothing before it to judge by", "hold a QR code 20 cm before it and run this again"
        )
    fact = f"edges are {seen.blur_px:.1f} pixels soft: a pass reads from {seen.pass_mm:.0f} mm at 20 cm"
    if seen.pass_mm <= TELEPHONE_MM:
        return green("camera focus", fact)
    if seen.pass_mm <= PAPER_MM:
        return amber("camera focus", f"{fact}; a telephone shows {TELEPHONE_MM}", "turn the lens to 20 cm")
    return red("camera focus", f"{fact}; a telephone shows {TELEPHONE_MM}", "turn the lens to 20 cm, or clean it")
