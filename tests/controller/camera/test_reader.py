"""The reader, on drawn pictures that were turned, tilted, blurred, made noisy and inverted."""

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from controller.camera.reader import LOOKS, Look, read, read_by
from controller.formats.enrolment import TEXT_CHARS, Invitation
from tests.controller.camera.door_scenes import empty, presentation
from tests.controller.camera.scenes import PASS, blurred, centred, code, noisy, rotated, scene, tilted

SHOWN = centred(code())

anything = st.integers(0, 60).flatmap(lambda columns: nps.arrays(np.uint8, (40, columns)))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(SHOWN, id="straight"),
        *(pytest.param(rotated(SHOWN, degrees), id=f"{degrees} degrees") for degrees in (7, 45, 90, 180, 250)),
        pytest.param(tilted(SHOWN), id="tilted"),
        pytest.param(blurred(SHOWN, 2.0), id="blurred"),
        pytest.param(noisy(SHOWN, 30), id="noisy"),
        pytest.param((255 - SHOWN).astype(np.uint8), id="inverted, as on a dark screen"),
        pytest.param((SHOWN // 6).astype(np.uint8), id="in the dark"),
        pytest.param(tilted(rotated(blurred(SHOWN, 1.2), 30)), id="all at once"),
        pytest.param(np.ascontiguousarray(np.tile(SHOWN, (4, 4))), id="in a picture too large to enlarge"),
    ],
)
def test_reads_a_pass(frame):
    assert read(frame) == [PASS]


def test_a_small_blurred_code_is_read_at_double_size():
    frame = rotated(blurred(centred(code(module_px=2)), 0.9), 7)
    assert read(frame, looks=()) == []
    assert read(frame, looks=(Look.ENLARGED,)) == [PASS]
    assert read_by(frame) == ([PASS], Look.ENLARGED)


@pytest.mark.parametrize("look", LOOKS)
def test_each_look_reads_pictures_of_a_door_that_show_nothing_as_they_are(look):
    """Among a few scenes of the hard class: what a look is there for. How often, `./run bench` says."""
    for seed in (46, 74, *range(40, 90)):  # two that every look is good for one of, and where to go on
        shown = presentation("hard", seed, frames=1)
        (frame,) = shown.frames
        if not read(frame, looks=()) and read(frame, looks=(look,)) == [shown.text]:
            return
    pytest.fail(f"{look} read none of 50 pictures")


def test_the_longest_enrolment_code_is_read_at_the_distance_of_a_pass():
    """Version 4 as wide as a pass: its modules are a tenth smaller. A presentation each: held up until it is read."""
    text = Invitation("ab" * 16, b"0123456789", "sporthal-noord-hal-1", "sleutels.stad.be:8443").text()
    assert len(text) == TEXT_CHARS
    for seed in range(6):
        assert any(read(frame) == [text] for frame in presentation("typical", seed, text=text).frames), seed


def test_a_presentation_has_the_same_pictures_for_the_same_seed():
    first, again, other = (presentation("typical", seed, frames=2) for seed in (5, 5, 6))
    assert all(np.array_equal(one, two) for one, two in zip(first.frames, again.frames, strict=True))
    assert first.text == again.text != other.text
    assert {frame.shape for frame in first.frames} == {(480, 640)}


def test_scenes_without_a_code_show_none():
    """A few; `./run fuzz empty` does 10,000."""
    for seed in range(12):
        for frame in empty(seed):
            assert read(frame) == []


def test_texts_come_in_reading_order_and_once_each():
    frame = scene(
        (code("top right", module_px=3), 400, 20),
        (code("top left", module_px=3), 100, 30),
        (code("below", module_px=3), 250, 180),
        (code("top left", module_px=3), 100, 330),
    )
    assert read(frame) == ["top left", "top right", "below"]


def test_every_ascii_text_comes_back_as_it_is():
    text = "".join(map(chr, range(128)))
    assert read(centred(code(text.encode(), module_px=4))) == [text]


@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=80))
def test_other_bytes_come_as_utf_8_with_replacements(payload):
    # As bytes of a payload a decoder is free to guess a character set; ours does not.
    assert read(code(payload, mode="byte", module_px=4)) == [payload.decode("utf-8", "replace")]


@pytest.mark.parametrize("charset", ["iso-8859-1", "shift_jis"])
def test_a_declared_character_set_changes_nothing(charset):
    frame = centred(code("ZS1:£é" if charset == "iso-8859-1" else "ZS1:日本", encoding=charset, eci=True))
    (text,) = read(frame)
    assert text.startswith("ZS1:")
    assert "\ufffd" in text


@pytest.mark.parametrize(
    "symbology", [zxingcpp.BarcodeFormat.Aztec, zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.MicroQRCode]
)
def test_other_symbologies_are_not_read(symbology):
    drawn = np.array(zxingcpp.create_barcode("12345", symbology).to_image(scale=5, add_quiet_zones=True))
    frame = centred(drawn)
    assert zxingcpp.read_barcodes(frame), "the test's own picture must be readable"
    assert read(frame) == []


@settings(max_examples=50)
@given(anything)
def test_any_picture_is_read_without_an_error(frame):
    assert isinstance(read(frame), list)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((0, 0), np.uint8),
        np.zeros((0, 640), np.uint8),
        np.zeros((1, 1), np.uint8),
        np.zeros(10, np.uint8),
        np.zeros((2, 3, 7), np.uint8),
        np.full((100, 100), np.nan),
        np.zeros((4, 5), np.int64),
        np.zeros((480, 1280), np.uint8)[::-1, ::2],
        None,
    ],
)
def test_what_no_camera_gives_shows_no_code(picture):
    assert read(picture) == []


def test_a_decoder_that_breaks_has_read_nothing(mocker):
    mocker.patch("zxingcpp.read_barcodes", side_effect=MemoryError)
    assert read(SHOWN) == []
