"""What stands before a door's camera: a telephone or a sheet of paper with a pass on it, and a hallway behind.

Drawn flat, in linear light (0 black, 1 what a white wall gives back), `TEXTURE_PX_PER_MODULE` pixels a module of the
code; `door_scenes.py` puts them before the camera.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import segno

Plane = npt.NDArray[Any]
Random = np.random.Generator

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
MODULES = 29 + 2 * 4  # version 3 with its quiet zone
TEXTURE_PX_PER_MODULE = 8
CODE_PX = MODULES * TEXTURE_PX_PER_MODULE
FONT = cv2.FONT_HERSHEY_SIMPLEX


def pass_text(random: Random) -> str:
    """A text of the form of a pass, never the same twice."""
    return "ZS1:" + "".join(BASE32[letter] for letter in random.integers(0, 32, 56))


def code(text: str, black: float, white: float) -> Plane:
    """The code of a text, `CODE_PX` square: a code of more modules than a pass has smaller ones."""
    rows = segno.make(text, error="m", micro=False, boost_error=False).matrix_iter(TEXTURE_PX_PER_MODULE, border=4)
    drawn: Plane = np.where(np.array(list(rows), np.uint8) > 0, black, white).astype(np.float32)
    if drawn.shape != (CODE_PX, CODE_PX):
        drawn = cv2.resize(drawn, (CODE_PX, CODE_PX), interpolation=cv2.INTER_AREA)
    return drawn


def telephone(random: Random, text: str, screen: float, dark_mode: bool) -> tuple[Plane, tuple[float, float]]:
    """A telephone and the middle of its code (x, y in pixels of the drawing). `screen`: the light its white gives.

    In dark mode half of the apps draw the code itself white on black; the others leave it on a white card."""
    width, height = int(CODE_PX * random.uniform(1.08, 1.35)), int(CODE_PX * random.uniform(2.0, 2.6))
    bezel = int(CODE_PX * 0.05)
    black = screen * 0.02
    page = screen * (0.06 if dark_mode else 1.0)
    drawn = np.full((height + 2 * bezel, width + 2 * bezel), 0.03, np.float32)
    drawn[bezel:-bezel, bezel:-bezel] = page
    ink = screen * (0.85 if dark_mode else 0.05)
    top = bezel + int((height - CODE_PX) * random.uniform(0.25, 0.7))
    left = bezel + (width - CODE_PX) // 2
    _write(drawn, random, bezel, bezel, width, top - bezel - 4, ink)
    _write(drawn, random, bezel, top + CODE_PX + 4, width, bezel + height - top - CODE_PX - 8, ink)
    inverted = dark_mode and random.random() < 0.5
    drawn[top : top + CODE_PX, left : left + CODE_PX] = code(text, *((screen, black) if inverted else (black, screen)))
    return drawn, (left + CODE_PX / 2, top + CODE_PX / 2)


def paper(random: Random, text: str, light: float) -> tuple[Plane, tuple[float, float]]:
    """A printed confirmation, folded once, and the middle of its code. `light`: what falls on it."""
    width, height = int(CODE_PX * random.uniform(2.2, 3.2)), int(CODE_PX * random.uniform(2.2, 3.6))
    drawn = np.full((height, width), 0.9, np.float32)
    left, top = (int(random.uniform(0.1, 0.9) * (side - CODE_PX)) for side in (width, height))
    _write(drawn, random, 20, 20, width - 40, top - 30, 0.08)
    _write(drawn, random, 20, top + CODE_PX + 20, width - 40, height - top - CODE_PX - 40, 0.08)
    drawn[top : top + CODE_PX, left : left + CODE_PX] = code(text, random.uniform(0.04, 0.2), 0.9)
    fold = int(random.uniform(0.3, 0.7) * height)
    drawn[fold:] *= random.uniform(0.75, 1.0)
    drawn *= np.linspace(1, random.uniform(0.7, 1.0), width, dtype=np.float32)
    return drawn * light, (left + CODE_PX / 2, top + CODE_PX / 2)


def hallway(random: Random, light: float, width: int, height: int) -> Plane:
    """What is behind: a wall, door frames, posters with words, a lamp; blurred, since it is further than the focus."""
    seen = np.full((height, width), 0.45, np.float32)
    seen *= np.linspace(random.uniform(0.5, 1), random.uniform(0.5, 1), width, dtype=np.float32)
    for _ in range(random.integers(3, 9)):  # frames, cupboards, people
        left, top = int(random.integers(-width // 4, width)), int(random.integers(-height // 4, height))
        across, down = (int(side) for side in random.integers(20, width // 2, 2))
        cv2.rectangle(seen, (left, top), (left + across, top + down), random.uniform(0.03, 0.95), -1)
    for _ in range(random.integers(0, 3)):  # tiles and blinds
        left, top, step = (int(random.integers(low, high)) for low, high in ((0, width), (0, height), (4, 24)))
        for line in range(left, left + 8 * step, 2 * step):
            cv2.rectangle(seen, (line, top), (line + step, top + 10 * step), random.uniform(0.02, 0.9), -1)
    for _ in range(random.integers(0, 4)):
        left, top = int(random.integers(0, width - 60)), int(random.integers(0, height - 40))
        _write(seen, random, left, top, min(300, width - left), min(160, height - top), random.uniform(0, 1))
    if random.random() < 0.4:
        place = (int(random.integers(0, width)), int(random.integers(0, height // 2)))
        cv2.ellipse(seen, place, (int(random.integers(10, 60)), 12), 0, 0, 360, 4.0, -1)
    return cv2.GaussianBlur(seen, (0, 0), random.uniform(0.8, 4)).astype(np.float32) * np.float32(light)


def _write(drawn: Plane, random: Random, left: int, top: int, width: int, height: int, ink: float) -> None:
    """Lines of words in a box."""
    if width <= 0 or height <= 0:
        return
    words = np.zeros((height, width), np.uint8)
    for line in range(24, height, 34):
        letters = "".join(random.choice(list("abcdefghijkl mnoprstuvw"), 24))
        cv2.putText(words, letters, (10, line), FONT, 0.7, 255, 2)
    drawn[top : top + height, left : left + width][words > 127] = ink
