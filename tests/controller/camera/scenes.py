"""Pictures with QR codes in them, as a camera at a door would see them."""

import io

import cv2
import numpy as np
import numpy.typing as npt
import segno

Picture = npt.NDArray[np.uint8]

PASS = "ZS1:" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX"
GREY = 128


def code(content: str | bytes = PASS, module_px: int = 6, **options) -> Picture:
    """A QR code with its quiet zone, black on white."""
    png = io.BytesIO()
    segno.make(content, micro=False, **options).save(png, kind="png", scale=module_px)
    picture = cv2.imdecode(np.frombuffer(png.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture.astype(np.uint8)


def scene(*placed: tuple[Picture, int, int], width: int = 640, height: int = 480) -> Picture:
    """A grey scene with pictures in it, each at its left and top."""
    frame = np.full((height, width), GREY, np.uint8)
    for picture, left, top in placed:
        rows, columns = picture.shape
        frame[top : top + rows, left : left + columns] = picture
    return frame


def centred(picture: Picture) -> Picture:
    """A scene with one picture in its middle."""
    rows, columns = picture.shape
    return scene((picture, (640 - columns) // 2, (480 - rows) // 2))


def rotated(frame: Picture, degrees: float) -> Picture:
    """The scene with the camera turned."""
    rows, columns = frame.shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
    return cv2.warpAffine(frame, turn, (columns, rows), borderValue=GREY).astype(np.uint8)


def tilted(frame: Picture) -> Picture:
    """The scene with its right side further away."""
    rows, columns = frame.shape
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    seen = np.array([[0, 0], [0.85 * columns, 0.15 * rows], [0.85 * columns, 0.85 * rows], [0, rows]], np.float32)
    away = cv2.getPerspectiveTransform(corners, seen)
    return cv2.warpPerspective(frame, away, (columns, rows), borderValue=GREY).astype(np.uint8)


def blurred(frame: Picture, sigma_px: float) -> Picture:
    """Out of focus."""
    return cv2.GaussianBlur(frame, (0, 0), sigma_px).astype(np.uint8)


def noisy(frame: Picture, sigma: float, seed: int = 1) -> Picture:
    """By bad light."""
    noise = np.random.default_rng(seed).normal(0, sigma, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def png(picture: Picture) -> bytes:
    """As an image file."""
    return cv2.imencode(".png", picture)[1].tobytes()
