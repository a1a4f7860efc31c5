"""The QR reader on seeded scenes and on photographs, beside plain zxing-cpp, pyzbar and OpenCV; what the camera costs.

Rates are told as what is missed, so that less is better as everywhere here: the floor is what the target allows, or
what another reader misses of the same pictures. `ZS_SCENES` presentations of each class (60) from seed
`ZS_SCENE_SEED` (0); `ZS_QR_PHOTOS` is a folder of photographs, with each one's text in a `.txt` (or `.bin`) of the same
name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import thread_time
from typing import Final

import cv2
import numpy as np
import zxingcpp
from rich.progress import Progress

from controller.camera import picture_file, reader
from controller.camera.attention import UNKNOWN_FRAMES, Attention
from tests.bench.measure import Missing, Result, result
from tests.controller.camera.door_scenes import CLASSES, Class, Picture, empty, nobody, presentation

try:
    from pyzbar import pyzbar
except ImportError:  # its wheel needs Debian's libzbar0
    pyzbar = None

Reader = Callable[[Picture], list[str]]

SCENES: Final = int(os.environ.get("ZS_SCENES", "60"))
SEED: Final = int(os.environ.get("ZS_SCENE_SEED", "0"))
SINGLE: Final = slice(1, None, 3)
"""Of a presentation's eight pictures three stand for single ones; its neighbours are too much like each."""
ALLOWED: Final[dict[Class, tuple[float, float]]] = {"easy": (1, 0.5), "typical": (8, 3), "hard": (62, 30)}
"""Missed in percent: of single pictures, of presentations. Targets 99/92/38 and 100/97/70; half a percent is none."""
EMPTY_SCENES: Final = 30
PHOTO_SCALES: Final = (1.0, 0.3)


def _zxing(frame: Picture) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(frame, formats=reader.FORMATS)]


def _zbar(frame: Picture) -> list[str]:
    return [code.data.decode("utf-8", "replace") for code in pyzbar.decode(frame, symbols=[pyzbar.ZBarSymbol.QRCODE])]


def _opencv(frame: Picture) -> list[str]:
    return list(cv2.QRCodeDetector().detectAndDecodeMulti(frame)[1])


OTHERS: Final[dict[str, Reader]] = {
    "plain zxing-cpp": _zxing,
    **({} if pyzbar is None else {"pyzbar": _zbar}),
    "OpenCV": _opencv,
}
READERS: Final[dict[str, Reader]] = {"ours": reader.read, **OTHERS}
EMPTY_BUDGETS: Final = {"plain zxing-cpp": 4.0}
"""How much dearer than another reader the camera may be on an empty scene; not at all where nothing is said."""


@dataclass
class Tally:
    """What each reader missed of how many pictures, and the CPU time it took, in milliseconds."""

    pictures: int = 0
    missed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(READERS, 0))
    ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(READERS, 0.0))

    def try_all(self, frame: Picture, wanted: str) -> None:
        """Let every reader have a go."""
        self.pictures += 1
        for name, read in READERS.items():
            started = thread_time()
            self.missed[name] += wanted not in read(frame)
            self.ms[name] += (thread_time() - started) * 1000

    def percent(self, name: str) -> float:
        return 100 * self.missed[name] / self.pictures

    def beside_others(self, what: str) -> list[Result]:
        """Nobody's misses may be fewer than ours."""
        none = 0.1  # percent: nought over nought is no ratio
        ours = max(none, self.percent("ours"))
        return [
            result(f"QR missed, {what}, % beside {name}", ours, max(none, self.percent(name)), 1.0) for name in OTHERS
        ]


def scenes(_folder: Path, progress: Progress) -> list[Result]:
    """Single pictures and presentations of the three classes, against targets and against the other readers."""
    cv2.setNumThreads(1)
    results: list[Result] = []
    bar = progress.add_task("door scenes", total=len(CLASSES) * SCENES)
    for difficulty in CLASSES:
        tally, unread = Tally(), 0
        for seed in range(SEED, SEED + SCENES):
            shown = presentation(difficulty, seed)
            for frame in shown.frames[SINGLE]:
                tally.try_all(frame, shown.text)
            unread += shown.text not in watched(shown.frames)
            progress.advance(bar)
        single, whole = ALLOWED[difficulty]
        results += [
            result(f"QR missed, {difficulty} single pictures, % against target", tally.percent("ours"), single, 1.0),
            result(f"QR missed, {difficulty} presentations, % against target", 100 * unread / SCENES, whole, 1.0),
            *tally.beside_others(f"{difficulty} single pictures"),
        ]
    return results


def watched(frames: Iterable[Picture]) -> set[str]:
    """The texts that the camera process finds in a run of pictures, each at its bounded cost."""
    attention, found = Attention(), set()
    for frame in frames:
        texts, look = reader.read_by(frame, attention.looks(frame))
        attention.took(texts, look)
        found.update(texts)
    return found


def camera(_folder: Path, progress: Progress) -> list[Result]:
    """What a picture costs the camera process: nobody there, and somebody there who shows no code."""
    cv2.setNumThreads(1)
    idle, busy = dict.fromkeys([*READERS, "camera"], 0.0), 0.0
    bar = progress.add_task("empty scenes", total=EMPTY_SCENES)
    for seed in range(EMPTY_SCENES):
        attention, occupied = Attention(), Attention()
        frames = list(nobody(seed, UNKNOWN_FRAMES + 6))
        for frame in frames[:UNKNOWN_FRAMES]:
            attention.looks(frame)
        for frame in frames[UNKNOWN_FRAMES:]:
            idle["camera"] += _ms(_look, frame, attention)
            for name in OTHERS:
                idle[name] += _ms(READERS[name], frame)
        for frame in empty(seed, 6):
            busy += _ms(_look, frame, occupied)
        progress.advance(bar)
    each = EMPTY_SCENES * 6
    per_frame = {name: spent / each for name, spent in idle.items()}
    return [
        *(
            result(
                f"camera, empty scene, ms beside {name}",
                per_frame["camera"],
                per_frame[name],
                EMPTY_BUDGETS.get(name, 1.0),
            )
            for name in OTHERS
        ),
        result(
            "camera, somebody without a code, ms beside plain zxing-cpp",
            busy / each,
            per_frame["plain zxing-cpp"],
            12.0,
        ),
    ]


def _look(frame: Picture, attention: Attention) -> None:
    texts, look = reader.read_by(frame, attention.looks(frame))
    attention.took(texts, look)


def _ms(act: Callable[..., object], *given: object) -> float:
    started = thread_time()
    act(*given)
    return (thread_time() - started) * 1000


def photos(_folder: Path, progress: Progress) -> list[Result]:
    """Photographs as they are and made small. Raises Missing without a folder of them."""
    place = os.environ.get("ZS_QR_PHOTOS")
    found = sorted(Path(place).rglob("*.[pj][np]g")) if place else []
    if not found:
        raise Missing("ZS_QR_PHOTOS names no folder with photographs of QR codes")
    cv2.setNumThreads(1)
    results: list[Result] = []
    bar = progress.add_task("photographs", total=len(PHOTO_SCALES) * len(found))
    for scale in PHOTO_SCALES:
        tally = Tally()
        for path in found:
            frame = picture_file.load(path)
            small = frame if scale == 1 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            tally.try_all(np.asarray(small, np.uint8), _written_beside(path))
            progress.advance(bar)
        results += tally.beside_others(f"{tally.pictures} photographs at {scale:g}")
    return results


def _written_beside(path: Path) -> str:
    text = path.with_suffix(".txt")
    return (text if text.exists() else path.with_suffix(".bin")).read_bytes().decode()
