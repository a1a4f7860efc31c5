"""What the cameras see: light, focus, and whether a pass on a telephone is large enough for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from controller.checks.finding import Finding, amber, green, red
from controller.config import Config, Part
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
    """Open each camera, look, judge. Nothing is kept of the pictures."""
    for part in config.cameras():
        yield from _seen_by(part, part.section.replace("_", " "))


def _seen_by(part: Part, name: str) -> Iterator[Finding]:
    from controller.camera.sight import look

    try:
        camera: Camera = part.driver.open(part.settings, Board())
    except HardwareFault as fault:
        stop = f"systemctl stop zaalsleutel-{part.section.replace('_', '-')}"
        yield amber(f"{name} sight", str(fault), f"while the camera process has it: {stop}")
        return
    try:
        frames = [frame for _ in range(FRAMES) if (frame := camera.read(FRAME_S)) is not None]
    except HardwareFault as fault:
        frames = []
        yield red(f"{name} sight", str(fault), "look at its cable")
    finally:
        camera.close()
    if frames:
        seen = look(frames[-1])
        yield light(seen, name)
        yield focus(seen, name)


def light(seen: Sight, name: str = "camera") -> Finding:
    """Whether there is enough light, and not too much."""
    fact = f"brightness {seen.brightness:.0f} of 255, {seen.glare:.0%} dazzled"
    if seen.brightness < DARK:
        return amber(f"{name} light", fact, "it is dark before the camera: put up a lamp")
    if seen.brightness > BRIGHT or seen.glare > GLARE:
        return amber(f"{name} light", fact, "something dazzles the camera: turn it, or shade it")
    return green(f"{name} light", fact)


def focus(seen: Sight, name: str = "camera") -> Finding:
    """How large a pass has to be at 20 cm."""
    if seen.pass_mm is None or seen.blur_px is None:
        return amber(
            f"{name} focus", "nothing before it to judge by", "hold a QR code 20 cm before it and run this again"
        )
    fact = f"edges are {seen.blur_px:.1f} pixels soft: a pass reads from {seen.pass_mm:.0f} mm at 20 cm"
    if seen.pass_mm <= TELEPHONE_MM:
        return green(f"{name} focus", fact)
    if seen.pass_mm <= PAPER_MM:
        return amber(f"{name} focus", f"{fact}; a telephone shows {TELEPHONE_MM}", "turn the lens to 20 cm")
    return red(f"{name} focus", f"{fact}; a telephone shows {TELEPHONE_MM}", "turn the lens to 20 cm, or clean it")
