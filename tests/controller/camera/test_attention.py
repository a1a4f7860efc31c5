"""Which looks a live picture gets: cheap while nobody is there, every look in turn when somebody is."""

import numpy as np
import pytest

from controller.camera.attention import EMPTY_EVERY, LINGER_FRAMES, UNKNOWN_FRAMES, Attention
from controller.camera.reader import LOOKS, Look
from tests.controller.camera.scenes import centred, code, noisy

EMPTY = np.full((480, 640), 96, np.uint8)
SHOWN = centred(code(module_px=3))


def watched(attention: Attention, frame: np.ndarray, frames: int) -> list[tuple[Look, ...]]:
    """The looks that so many pictures of one scene get when nothing is read."""
    given = []
    pictures = [noisy(frame, 8, seed) for seed in range(3)]
    for number in range(frames):
        given.append(attention.looks(pictures[number % 3]))
        attention.took([], None)
    return given


@pytest.fixture
def attention():
    """One that knows the empty scene."""
    known = Attention()
    watched(known, EMPTY, UNKNOWN_FRAMES)
    return known


def test_an_empty_scene_is_enlarged_now_and_then(attention):
    given = watched(attention, EMPTY, 30)
    assert set(given) == {(), (Look.ENLARGED,)}
    assert given.count((Look.ENLARGED,)) == 30 // EMPTY_EVERY


def test_somebody_there_gets_every_look_in_turn_and_one_a_picture(attention):
    given = watched(attention, SHOWN, 8)
    assert all(len(looks) == 1 for looks in given)
    for look in LOOKS:
        assert given.count((look,)) >= 2


def test_at_the_start_anybody_may_be_there():
    assert all(len(looks) == 1 for looks in watched(Attention(), EMPTY, UNKNOWN_FRAMES))


def test_what_read_the_last_picture_is_first_at_the_next(attention):
    attention.looks(SHOWN)
    attention.took(["text"], Look.SHARPENED)
    assert attention.looks(SHOWN)[0] is Look.SHARPENED
    attention.took([], None)
    assert len(attention.looks(SHOWN)) == 1


def test_a_code_that_was_read_a_moment_ago_is_looked_for_in_a_known_scene(attention):
    attention.looks(EMPTY)
    attention.took(["text"], None)
    assert all(looks for looks in watched(attention, EMPTY, LINGER_FRAMES - 1))
    assert () in watched(attention, EMPTY, 3)


def test_a_lamp_that_stays_on_becomes_part_of_the_scene(attention):
    lit = np.full((480, 640), 140, np.uint8)
    assert watched(attention, lit, 1)[0]
    watched(attention, lit, 300)
    assert () in watched(attention, lit, 3)


@pytest.mark.parametrize("frame", [np.zeros((0, 0), np.uint8), np.zeros((0, 640), np.uint8)])
def test_no_picture_is_no_scene(frame):
    assert Attention().looks(frame) == ()
