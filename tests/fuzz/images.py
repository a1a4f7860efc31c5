"""Pictures before the camera's decoders: files bent in every way, pictures of noise, pieces of codes, codes of foreign
texts; then the door is asked about whatever was read. The door's list knows one pass, which is not among them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import cv2
import numpy as np
import numpy.typing as npt

from controller.camera import picture_file, reader
from controller.decide import Moment, QrPresented, decide
from controller.formats.errors import Refused
from tests.controller.camera.scenes import PASS, centred, code
from tests.controller.worlds import NOON, grant, installed, token
from tests.fuzz.mutations import bent_bytes
from tests.fuzz.outcome import Found, Outcome
from tests.fuzz.qr import FOREIGN

Picture = npt.NDArray[np.uint8]

KINDS = (".png", ".jpg", ".bmp", ".webp", ".tiff", ".pgm")


def fuzz(n: int, seed: int, tell: Callable[[int], None]) -> Outcome:
    """Raises Found. A decoder that crashes takes this process with it: that is found as well."""
    random, outcome = Random(seed), Outcome()
    rules, moment = installed(grant(qr=token())), Moment(NOON + 60, True, NOON - 60)
    shown = [centred(code(text, module_px=4)) for text in (PASS, *FOREIGN) if text]
    files = [(kind, cv2.imencode(kind, picture)[1].tobytes()) for kind in KINDS for picture in shown[:3]]
    for count in range(n):
        name, picture = _picture(shown, files, random)
        try:
            texts = reader.read(picture) if picture is not None else []
            verdicts = [decide(rules, QrPresented(text), moment) for text in texts]
        except Exception as crash:
            raise Found(f"{crash!r} from picture {count}: {name}") from crash
        if any(verdict.granted for verdict in verdicts):
            raise Found(f"granted: {texts!r}")
        outcome.count(f"{name}: {'no image' if picture is None else 'read' if texts else 'nothing read'}")
        tell(count + 1)
    return outcome


def _picture(shown: list[Picture], files: list[tuple[str, bytes]], random: Random) -> tuple[str, Picture | None]:
    """What it is, and the picture; None where a bent file is no image any more."""
    match random.randrange(4):
        case 0:
            kind, data = random.choice(files)
            try:
                return f"bent {kind}", _bounded(picture_file.decode(bent_bytes(data, random), "fuzzed"))
            except Refused:
                return f"bent {kind}", None
        case 1:
            return "noise", _noise(random)
        case 2:
            return "bent code", _bent(random.choice(shown), random)
        case _:
            return "odd shape", _odd(random.choice(shown), random)


def _bounded(picture: Picture) -> Picture:
    """A bent header can ask for any size: reading a hundred million pixels tells nothing more than four."""
    return picture if picture.size <= 4 << 20 else picture[:2_048, :2_048].copy()


def _noise(random: Random) -> Picture:
    """Grey noise, or modules at random: as near to a code as chance comes."""
    pixels = np.random.default_rng(random.randrange(1 << 32))
    if random.random() < 0.5:
        return pixels.integers(0, 256, (240, 320), np.uint8)
    side = random.choice((21, 25, 29, 33))
    modules = (pixels.integers(0, 2, (side, side), np.uint8) * 255).astype(np.uint8)
    finder = np.pad(np.pad(np.zeros((3, 3), np.uint8), 1, constant_values=255), 1)
    for top, left in ((0, 0), (0, side - 7), (side - 7, 0)):
        modules[top : top + 7, left : left + 7] = finder
    large = cv2.resize(modules, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST)
    return np.pad(large, 24, constant_values=255).astype(np.uint8)


def _bent(picture: Picture, random: Random) -> Picture:
    """A code with blocks painted over, moved or turned round."""
    bent = picture.copy()
    rows, columns = bent.shape
    for _ in range(random.randint(1, 12)):
        top, left = random.randrange(rows - 40), random.randrange(columns - 40)
        down, across = random.randint(2, 40), random.randint(2, 40)
        piece = bent[top : top + down, left : left + across]
        match random.randrange(4):
            case 0:
                piece[:] = random.randrange(256)
            case 1:
                piece[:] = 255 - piece
            case 2:
                piece[:] = piece[::-1, ::-1].copy()
            case _:
                to_top, to_left = random.randrange(rows - 40), random.randrange(columns - 40)
                bent[to_top : to_top + down, to_left : to_left + across] = piece.copy()
    return bent


def _odd(picture: Picture, random: Random) -> Picture:
    """A picture of a shape no camera has: one row, nothing, a strip, every other pixel."""
    top, left = random.randrange(480), random.randrange(640)
    match random.randrange(4):
        case 0:
            return picture[top : top + random.randint(0, 3)].copy()
        case 1:
            return picture[:, left : left + random.randint(0, 3)].copy()
        case 2:
            return picture[:: random.randint(1, 7), :: random.randint(1, 7)]
        case _:
            return picture[top:, left:]
