"""A seeded generator of what a door's camera sees when somebody holds up a pass: 640 x 480 grey pictures.

    for frame in presentation("typical", seed).frames: ...

A presentation is a pose in millimetres (a hand at a distance, tilted, shaking), a light, and a lens of fixed focus;
its eight pictures are a fifth of a second apart. Everything is computed in linear light and put through gamma and
eight bits at the end, as a camera does, so a telephone in the dark blooms and paper in the dark drowns in noise.

The ranges of the three classes are set so that plain zxing-cpp reads about 99, 81 and 24 % of single pictures;
`./run bench --only qr` says what it reads now. A code that is not in the picture or has a corner covered is nobody's
to read, so there is little of that.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from tests.controller.camera import door_things
from tests.controller.camera.door_things import CODE_PX, MODULES, Plane, Random

Picture = npt.NDArray[np.uint8]
Class = Literal["easy", "typical", "hard"]
Range = tuple[float, float]

WIDTH, HEIGHT = 640, 480
FRAMES = 8
FOCAL_PX = WIDTH / 2 / math.tan(math.radians(30))  # the cameras people buy see 60 degrees
OVERSAMPLED = 2
LENS_PX_MM = 600.0
"""A lens focused at `focus_mm` blurs a point at z by LENS_PX_MM * |1/z - 1/focus_mm| pixels, 1 to 3 at 15 to 25 cm."""


@dataclass(frozen=True)
class Conditions:
    """The ranges of one class; a value is drawn from each. Shares (0 to 1) say how often something is there at all."""

    distance_mm: Range
    code_mm: Range
    tilt_degrees: float
    focus_mm: Range
    shake_mm: Range
    exposure_s: Range
    light: Range
    screen: Range
    noise: Range
    glare_light: Range
    paper: float
    dark_mode: float
    glare: float
    thumb: float
    thumb_angle: float
    any_roll: float


CLASSES: dict[Class, Conditions] = {
    "easy": Conditions(
        (120, 190), (50, 65), 20, (150, 300), (0.2, 1.5), (0.002, 0.01), (0.4, 1.2), (0.5, 1.3), (1, 4), (0.1, 0.3),
        paper=0.3, dark_mode=0.1, glare=0.1, thumb=0.0, thumb_angle=0.1, any_roll=0.1,
    ),
    "typical": Conditions(
        (125, 400), (42, 65), 36, (180, 490), (0.5, 3.5), (0.004, 0.016), (0.15, 1.2), (0.35, 1.4), (2, 8), (0.1, 0.4),
        paper=0.35, dark_mode=0.2, glare=0.3, thumb=0.15, thumb_angle=0.15, any_roll=0.15,
    ),
    "hard": Conditions(
        (140, 410), (40, 64), 45, (220, 850), (1.3, 6.5), (0.006, 0.03), (0.08, 1.0), (0.25, 2.4), (4, 14.5),
        (0.1, 0.8), paper=0.4, dark_mode=0.3, glare=0.4, thumb=0.25, thumb_angle=0.35, any_roll=0.2,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Presentation:
    """What was held up, and the pictures of it."""

    text: str
    frames: tuple[Picture, ...]


def presentation(difficulty: Class, seed: int, frames: int = FRAMES, text: str | None = None) -> Presentation:
    """One person holding up one pass, or a code of `text` as wide as that. The same seed gives the same pictures."""
    random = np.random.default_rng([seed, list(CLASSES).index(difficulty)])
    hand = _Hand(CLASSES[difficulty], random, text=text)
    return Presentation(hand.text, tuple(hand.picture() for _ in range(frames)))


def empty(seed: int, frames: int = 1) -> Iterator[Picture]:
    """Somebody who holds up a sheet or a telephone that shows something else."""
    random = np.random.default_rng([seed, 99])
    hand = _Hand(CLASSES[("easy", "typical", "hard")[seed % 3]], random, codeless=True)
    for _ in range(frames):
        yield hand.picture()


def nobody(seed: int, frames: int) -> Iterator[Picture]:
    """What the camera sees nearly always: a hallway, and its own noise."""
    random = np.random.default_rng([seed, 98])
    given = CLASSES[("easy", "typical", "hard")[seed % 3]]
    light, noise = _between(random, given.light), _between(random, given.noise)
    behind = door_things.hallway(random, light, WIDTH, HEIGHT)
    for _ in range(frames):
        yield _developed(random, behind, light, noise)


class _Hand:
    """What moves from picture to picture, and what stays."""

    def __init__(self, given: Conditions, random: Random, codeless: bool = False, text: str | None = None) -> None:
        self.random = random
        any_pass = door_things.pass_text(random)
        self.text = any_pass if text is None else text
        self._light = _between(random, given.light)
        self._noise = _between(random, given.noise)
        self._exposure_s = _between(random, given.exposure_s)
        self._shake_mm = _between(random, given.shake_mm)
        self._focus_mm = _between(random, given.focus_mm)
        on_paper = random.random() < given.paper
        screen = _between(random, given.screen)
        if on_paper:
            self._drawn, self._middle = door_things.paper(random, self.text, self._light)
        else:
            dark_mode = random.random() < given.dark_mode
            self._drawn, self._middle = door_things.telephone(random, self.text, screen, dark_mode)
        if codeless:
            self._drawn = _without_code(self._drawn, self._middle, random)
        self._mm_per_texel = _between(random, given.code_mm) / CODE_PX
        self._at_mm = np.array([random.normal(0, 0.15), random.normal(0, 0.1), 1]) * _between(random, given.distance_mm)
        self._nearer = math.exp(random.normal(0, 0.03))
        tilt = math.radians(given.tilt_degrees)
        turned = random.random() < given.any_roll
        roll = random.uniform(-math.pi, math.pi) if turned else random.normal(0, 0.12)
        self._turned = np.array([random.uniform(-tilt, tilt), random.uniform(-tilt, tilt), roll])
        self._behind = door_things.hallway(random, self._light, WIDTH + 80, HEIGHT + 60)
        self._behind_at = random.uniform(10, 60, 2)
        self._glare = random.random() < given.glare
        self._glare_at = random.normal(0, 22, 2)
        self._glare_mm = random.uniform(5, 22, 2)
        self._glare_light = _between(random, given.glare_light)
        self._thumb = random.random() < given.thumb
        # From one of the four sides, over the quiet zone and some modules; a covered corner is nobody's to read.
        self._thumb_angle = random.integers(0, 4) * math.pi / 2 + random.normal(0, given.thumb_angle)
        self._thumb_depth = random.uniform(0.0, 0.125)

    def picture(self) -> Picture:
        """The next one."""
        before = self._at_mm.copy()
        # Between still moments a hand jerks; and it comes nearer, or goes back, all the while.
        shake_mm = self._shake_mm * math.exp(self.random.normal(0, 0.6))
        self._at_mm += self.random.normal(0, 1, 3) * shake_mm
        self._at_mm[2] = max(100.0, self._at_mm[2] * self._nearer)
        # People see on the screen where to hold it: the code is in the picture, seldom in its middle.
        half_mm = 0.6 * CODE_PX * self._mm_per_texel
        room_mm = np.maximum(0, np.array([WIDTH, HEIGHT]) / 2 / FOCAL_PX * self._at_mm[2] - half_mm)
        self._at_mm[:2] = np.clip(self._at_mm[:2], -room_mm, room_mm)
        self._turned += self.random.normal(0, 0.004, 3) * self._shake_mm
        self._behind_at = np.clip(self._behind_at + self.random.normal(0, 1.5, 2), 0, 59)
        # A lens that hunts, a hand that comes nearer: the focus is never quite what it was.
        focus_mm = self._focus_mm * math.exp(self.random.normal(0, 0.25))
        light: Any = self._composed()
        z_mm = float(self._at_mm[2])
        light = _defocused(light, LENS_PX_MM * abs(1 / z_mm - 1 / focus_mm))
        speed = (self._at_mm - before)[:2] / 0.066 + self.random.normal(0, 12, 2) * shake_mm
        light = _moved(light, speed * self._exposure_s * FOCAL_PX / z_mm)
        return _developed(self.random, light, self._light, self._noise)

    def _composed(self) -> Plane:
        """Everything in its place, in linear light."""
        x, y = (int(place) for place in self._behind_at)
        behind = self._behind[y : y + HEIGHT, x : x + WIDTH]
        to_frame = self._to_frame()
        size = (WIDTH * OVERSAMPLED, HEIGHT * OVERSAMPLED)
        # Many texels to a pixel would alias; a lens does not.
        texels_per_px = self._at_mm[2] / FOCAL_PX / self._mm_per_texel / OVERSAMPLED
        drawn = cv2.GaussianBlur(self._drawn, (0, 0), max(0.3, 0.4 * float(texels_per_px)))
        drawn = drawn + self._reflection()
        held = cv2.warpPerspective(drawn, to_frame, size, flags=cv2.INTER_LINEAR)
        there = cv2.warpPerspective(np.ones_like(drawn), to_frame, size, flags=cv2.INTER_LINEAR)
        held, there = (cv2.resize(plane, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for plane in (held, there))
        light = behind * (1 - there) + held
        return self._held_by(light, to_frame) if self._thumb else light

    def _to_frame(self) -> Plane:
        """Texels -> oversampled pixels, through a pinhole."""
        turn, _ = cv2.Rodrigues(self._turned)
        flat = np.array(
            [
                [self._mm_per_texel, 0, -self._mm_per_texel * self._middle[0]],
                [0, self._mm_per_texel, -self._mm_per_texel * self._middle[1]],
                [0, 0, 1],
            ]
        )
        placed = np.column_stack([turn[:, 0], turn[:, 1], self._at_mm])
        lens = np.array([[FOCAL_PX, 0, WIDTH / 2], [0, FOCAL_PX, HEIGHT / 2], [0, 0, 1]])
        shown: Plane = np.diag([OVERSAMPLED, OVERSAMPLED, 1]).astype(float) @ lens @ placed @ flat
        return shown

    def _reflection(self) -> Plane | float:
        """A lamp in the glass or on the gloss, over the drawing; it wanders when the hand does."""
        if not self._glare:
            return 0.0
        rows, columns = self._drawn.shape
        self._glare_at += self.random.normal(0, 0.8, 2) * self._shake_mm
        across = (np.arange(columns) - self._middle[0]) * self._mm_per_texel - self._glare_at[0]
        down = (np.arange(rows) - self._middle[1]) * self._mm_per_texel - self._glare_at[1]
        far = (across[None, :] / self._glare_mm[0]) ** 2 + (down[:, None] / self._glare_mm[1]) ** 2
        seen: Plane = (self._glare_light * np.exp(-(far**1.5))).astype(np.float32)
        return seen

    def _held_by(self, light: Plane, to_frame: Plane) -> Plane:
        """A thumb over an edge of the code."""
        outward = np.array([math.cos(self._thumb_angle), math.sin(self._thumb_angle)])
        module_px = CODE_PX / MODULES
        # A round tip of eight modules across; its middle is that far outside what it covers.
        tip = np.array(self._middle) + outward * (CODE_PX * (0.5 - self._thumb_depth) + 4 * module_px)
        ends: Any = np.array([[tip, tip + outward * 32 * module_px]], np.float64)
        start, end = cv2.perspectiveTransform(ends, to_frame)[0] / OVERSAMPLED
        thick = max(3, int(8 * module_px * self._mm_per_texel * FOCAL_PX / self._at_mm[2]))
        over: Any = np.zeros((HEIGHT, WIDTH), np.float32)
        cv2.line(over, tuple(map(int, start)), tuple(map(int, end)), 1.0, thick, cv2.LINE_AA)
        over = cv2.GaussianBlur(over, (0, 0), 1.0)
        seen: Plane = light * (1 - over) + over * 0.35 * np.float32(self._light)
        return seen


def _developed(random: Random, light: Plane, lamps: float, noise: float) -> Picture:
    """Noise, saturation, gamma, eight bits. A dark scene is lifted by a gain that lifts its noise as well."""
    gain = min(1 / max(lamps, 0.05), 2.5) ** 0.5
    seen = np.clip(light * gain, 0, 1) ** (1 / 2.2) * 255
    seen += random.standard_normal((HEIGHT, WIDTH), np.float32) * np.float32(noise)
    picture: Picture = np.clip(seen, 0, 255).astype(np.uint8)
    return picture


def _between(random: Random, ends: Range) -> float:
    """Evenly in proportion, since distances, lights and times are."""
    low, high = ends
    return math.exp(random.uniform(math.log(low), math.log(high))) if low > 0 else random.uniform(low, high)


def _defocused(light: Plane, across_px: float) -> Plane:
    """A disc, with the lens's own softness added."""
    light = cv2.GaussianBlur(light, (0, 0), 0.5)
    if across_px < 0.5:
        return light
    side = math.ceil(across_px) | 1
    fine: Any = np.zeros((side * 8, side * 8), np.float32)
    cv2.circle(fine, (side * 4, side * 4), max(1, round(across_px * 4)), 1.0, -1)
    disc = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.filter2D(light, -1, disc / disc.sum()).astype(np.float32)


def _moved(light: Plane, by_px: Plane) -> Plane:
    """A streak."""
    length = float(np.hypot(*by_px))
    if length < 0.6:
        return light
    side = math.ceil(length) * 2 + 1
    streak: Any = np.zeros((side * 4, side * 4), np.float32)
    middle, half = np.array([side * 2, side * 2]), by_px * 2
    ends = [tuple(round(place) for place in middle + sign * half) for sign in (-1, 1)]
    cv2.line(streak, ends[0], ends[1], 1.0, 4)
    streak = cv2.resize(streak, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.filter2D(light, -1, streak / streak.sum()).astype(np.float32)


def _without_code(drawn: Plane, middle: tuple[float, float], random: Random) -> Plane:
    """A photograph, a bar code or words where the code was."""
    bare = drawn.copy()
    left, top = (int(place - CODE_PX / 2) for place in middle)
    bare[top : top + CODE_PX, left : left + CODE_PX] = door_things.hallway(random, 0.8, CODE_PX, CODE_PX)
    return bare
