"""What the camera sees, through the simulator's stream."""

import cv2
import numpy as np
import pytest
import segno

from controller.camera.sight import Sight
from controller.checks.sight import focus, light, sight
from controller.config import Config
from simulator.stream import Stream


@pytest.fixture
def stream():
    stream = Stream()
    yield stream
    stream.close()


def found(stream, section="camera"):
    tables = {
        "door": {"id": "hall-1", "data": "data", "sockets": "run"},
        "lock": {"driver": "gpio", "pin": 17},
        "clock": {"driver": "linux"},
        section: {"driver": "opencv", "source": stream.url},
    }
    return {finding.check: finding.colour for finding in sight(Config(tables))}


def test_an_empty_scene_gives_nothing_to_judge_by(stream):
    assert found(stream) == {"camera light": "green", "camera focus": "amber"}


def test_a_sharp_code_is_green(stream):
    rows = np.array(list(segno.make("ZS1:" + "A" * 56, error="m").matrix_iter(border=4)), np.uint8)
    picture = cv2.cvtColor(np.where(rows > 0, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    stream.show(picture)
    assert found(stream) == {"camera light": "green", "camera focus": "green"}


def test_the_inner_camera_is_looked_through_as_well(stream):
    assert found(stream, "camera_inside") == {"camera inside light": "green", "camera inside focus": "amber"}


def test_a_camera_that_is_away_is_said_so(stream):
    stream.plug(False)
    assert found(stream) == {"camera sight": "amber"}


@pytest.mark.parametrize(
    ("seen", "colour"),
    [
        (Sight(100, 0, 1, 40), "green"),
        (Sight(20, 0, 1, 40), "amber"),
        (Sight(230, 0, 1, 40), "amber"),
        (Sight(100, 0.5, 1, 40), "amber"),
    ],
)
def test_light(seen, colour):
    assert light(seen).colour == colour


@pytest.mark.parametrize(("pass_mm", "colour"), [(40, "green"), (70, "amber"), (90, "red"), (None, "amber")])
def test_focus(pass_mm, colour):
    assert focus(Sight(100, 0, None if pass_mm is None else 2.0, pass_mm)).colour == colour
