"""How well the camera sees, on pictures whose blur is known."""

import cv2
import numpy as np
import pytest
import segno

from controller.camera.sight import look, sharpest_edge_px


def scene(module_px: int, blur_px: float) -> np.ndarray:
    """A pass on a grey scene, blurred."""
    rows = np.array(list(segno.make("ZS1:" + "A" * 56, error="m").matrix_iter(scale=module_px, border=4)), np.uint8)
    frame = np.full((480, 640), 96, np.uint8)
    frame[60 : 60 + len(rows), 150 : 150 + len(rows)] = np.where(rows > 0, 0, 255)
    return cv2.GaussianBlur(frame, (0, 0), blur_px) if blur_px else frame


@pytest.mark.parametrize("module_px", [3, 5, 8])
@pytest.mark.parametrize("blur_px", [1, 2, 3, 4])
def test_blur_is_measured_within_a_quarter(module_px, blur_px):
    measured = sharpest_edge_px(scene(module_px, blur_px))
    assert measured == pytest.approx(blur_px, rel=0.25)


def test_a_sharp_picture_is_sharp():
    assert sharpest_edge_px(scene(5, 0)) == pytest.approx(0, abs=0.1)


def test_a_pass_of_a_telephone_is_large_enough_for_a_fixed_focus_camera():
    """4 pixels a module at 20 cm are 53 mm, measured; a blur of 2 pixels asks for about that."""
    pass_mm = look(scene(5, 2)).pass_mm
    assert pass_mm is not None
    assert 44 <= pass_mm <= 58


def test_noise_is_no_edge():
    noise = np.random.default_rng(7).normal(96, 6, (480, 640)).clip(0, 255).astype(np.uint8)
    assert sharpest_edge_px(noise) is None


def test_an_empty_scene_tells_its_brightness_only():
    seen = look(np.full((480, 640), 96, np.uint8))
    assert (seen.brightness, seen.glare, seen.blur_px, seen.pass_mm) == (96, 0, None, None)
