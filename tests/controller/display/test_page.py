"""The page for everybody: colours, sizes, sounds, as far as the files alone tell."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from controller.display import server
from controller.display.screen import SoundName, State
from hal.sound_gpio import BREAK_MS, RHYTHMS

PAGE = Path(server.__file__).parent / "page"
CSS = (PAGE / "page.css").read_text("utf-8")
SCRIPT = (PAGE / "page.js").read_text("utf-8")
SOUNDS = json.loads((PAGE / "sounds.json").read_text("utf-8"))

SCREEN_SHORT_SIDE_MM = 86.0  # a 7-inch screen of 5:3
CAPITAL_OF_FONT = 0.70  # the smallest of the named fonts: Arial and Liberation Sans 0.716, DejaVu 0.729, Roboto 0.711


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of #rrggbb."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


PAIRS = {
    state: (back, ink)
    for state, back, ink in re.findall(r'\[data-state="(\w+)"\] \{ --back: (#\w{6}); --ink: (#\w{6}); \}', CSS)
}


def test_every_state_has_its_colours_and_its_icon():
    assert set(PAIRS) == set(get_args(State))
    icons = dict(re.findall(r'^  (\w+): "(M[^"]+)"', SCRIPT, flags=re.MULTILINE))
    assert set(icons) == set(get_args(State))
    answers = [icons[state] for state in ("idle", "typing", "granted", "refused", "wait", "help", "leave", "fault")]
    assert len(set(answers)) == len(answers)


@pytest.mark.parametrize("state", sorted(PAIRS))
def test_contrast_is_seven_to_one(state: str):
    assert contrast(*PAIRS[state]) >= 7


def test_no_colour_stands_outside_the_pairs():
    assert set(re.findall(r"#[0-9a-f]{6}\b", CSS)) == {colour for pair in PAIRS.values() for colour in pair}


def test_the_smallest_text_is_nine_millimetres_high_on_seven_inches():
    (text_vmin,) = (float(size) for size in re.findall(r"--text: ([\d.]+)vmin", CSS))
    sizes = re.findall(r"font(?:-size)?: [^;]*?([\d.]+)(vmin|px|em|rem|%)", CSS)
    assert {(size, unit) for size, unit in sizes} == {("1", "em")}, "every size is --text, or 1em of it"
    assert SCREEN_SHORT_SIDE_MM * text_vmin / 100 * CAPITAL_OF_FONT >= 9


def test_a_sound_has_the_rhythm_of_the_buzzer_so_that_it_means_the_same_everywhere():
    assert set(SOUNDS) == set(get_args(SoundName))
    for name, tones in SOUNDS.items():
        heard: list[tuple[bool, int]] = []
        for hertz, seconds in tones:
            on, ms = bool(hertz), round(seconds * 1000)
            # Tones that follow each other without a rest are one sound.
            heard[-1:] = [(on, heard[-1][1] + ms)] if heard and heard[-1][0] == on else [*heard[-1:], (on, ms)]
        assert heard == [step for step in RHYTHMS[name].steps if step != (False, BREAK_MS)], name


def test_sounds_are_told_apart_by_direction_too():
    tones = {name: [hertz for hertz, _ in sound if hertz] for name, sound in SOUNDS.items()}
    assert tones["granted"] == sorted(set(tones["granted"]))
    assert tones["refused"] == sorted(set(tones["refused"]), reverse=True)
    assert len(set(tones["wait"])) == 1
    assert sum(seconds for _, seconds in SOUNDS["key"]) < 0.1


def test_the_script_knows_no_words():
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPT)
    assert "textContent" in SCRIPT


def test_of_the_fonts_the_wide_one_is_the_last():
    fonts = [name.strip(' "') for name in re.findall(r"1[.]05 (.*), sans-serif;", CSS)[0].split(",")]
    assert fonts[0] == "Liberation Sans"
    assert fonts[-2:] == ["DejaVu Sans Condensed", "DejaVu Sans"]
