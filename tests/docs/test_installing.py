"""What staff read is complete: every profile, every signal, every command as it is, in both languages."""

import io
import re
import sys
from pathlib import Path
from subprocess import run

import pytest
import segno

from controller.commission import TEST_QR
from hal.ports import SIGNALS, SOUNDS

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "installing.md").read_text("utf-8")
DUTCH, ENGLISH = PAGE.split("\n---\n")


@pytest.mark.parametrize("text", [DUTCH, ENGLISH], ids=["nl", "en"])
def test_every_signal_and_sound_is_explained(text):
    for signal in SIGNALS:
        assert f"\n| `{signal}` |" in text, signal
    told_by_their_signal = {*SIGNALS} & {*SOUNDS}
    for sound in set(SOUNDS) - told_by_their_signal:
        assert f"`{sound}`" in text, sound


def test_every_profile_has_its_drawing_here():
    profiles = {path.stem for path in (REPOSITORY / "firmware-config" / "profiles").glob("*.toml")}
    assert set(re.findall(r"\(wiring/([\w-]+)\.svg\)", PAGE)) == profiles


def test_both_languages_have_the_same_steps():
    counted = [re.findall(r"^(\| \d+ \||\d+\. \*\*)", text, re.MULTILINE) for text in (DUTCH, ENGLISH)]
    assert counted[0] == counted[1]
    for number in ("1220", "900–1100", "500 mm", "53 mm", "10 kΩ", "1N4007"):
        assert (number in DUTCH) == (number in ENGLISH) is True


@pytest.mark.parametrize("command", sorted(set(re.findall(r"zaalsleutel ((?:hub door add|door \w+))", PAGE))))
def test_the_commands_exist(command):
    words = [sys.executable, "-m", "zaalsleutel", *command.split(), "--help"]
    done = run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_test_code_is_drawn_as_the_units_want_it():
    drawn = io.BytesIO()
    code = segno.make(TEST_QR, error="m", micro=False, boost_error=False)
    assert code.version == 3, "the size of a pass"
    code.save(drawn, kind="svg", scale=8, border=4, svgclass=None, lineclass=None)
    assert (REPOSITORY / "docs" / "test-qr.svg").read_bytes() == drawn.getvalue()
