"""Draws what light and buzzer say: `python docs/signals.py` renews `docs/signals/nl.svg` and `en.svg`.

It reads the rhythms from the drivers that play them, so a picture cannot show what a door does not do; a test draws
both again and fails when one is stale. It stands beside the documentation for the reason `wiring.py` does.

A row is one signal: what it means and what to do, and four seconds of light and of sound on one scale. Light is drawn
as its colour on a two-colour LED; a LED of one colour keeps the same rhythm, which is all that anybody has to know.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from controller.blink import flashes
from controller.signals import SOUNDS as SOUND_OF
from hal.light_two_colour import COLOURS, Colour, rhythm_in_colour
from hal.ports import SIGNALS, Signal
from hal.rhythm import Rhythm
from hal.sound_gpio import RHYTHMS as SOUND_RHYTHMS

Level = TypeVar("Level")

FOLDER: Final = Path(__file__).parent / "signals"
LANGUAGES: Final = ("nl", "en")

SHOWN_MS: Final = 4_000
WIDTH, LEFT, SECOND, TOP, ROW, LANE = 1090, 400, 125, 92, 84, 22
INKS: Final[dict[Colour, str]] = {"green": "#1b8a3d", "red": "#c62828", "amber": "#d98200", "dark": "#e4e4e0"}
SOUND_INK: Final = "#24476b"


class Text(NamedTuple):
    """One thing in both languages."""

    nl: str
    en: str


class Meaning(NamedTuple):
    means: Text
    do: Text


TITLE = Text("Wat lampje en zoemer zeggen", "What light and buzzer say")
SUBTITLE = Text(
    "Elk signaal heeft een eigen ritme: niets hangt af van kleur alleen. Het scherm klinkt in hetzelfde ritme.",
    "Each signal has a rhythm of its own: nothing depends on colour alone. The screen sounds in the same rhythm.",
)
LIGHT, SOUND = Text("licht", "light"), Text("geluid", "sound")
AGAIN, AS_BEFORE = Text("steeds opnieuw", "again and again"), Text("als ervoor", "as before")
STAYS, SILENT, ONCE = Text("blijft aan", "stays on"), Text("stil", "silent"), Text("één keer", "once")
COLOUR_WORDS: Final[dict[Colour, Text]] = {
    "green": Text("groen", "green"),
    "red": Text("rood", "red"),
    "amber": Text("oranje", "amber"),
    "dark": Text("donker", "dark"),
}
KEY: Final = Meaning(
    Text("Toets gehoord", "Key heard"),
    Text("Ga verder; elke toets klinkt gelijk.", "Go on; every key sounds alike."),
)
NUMBER: Final = Meaning(
    Text("Een getal: hier 2 1", "A number: here 2 1"),
    Text("Tel de flitsen; pauze na elk cijfer.", "Count the flashes; a pause after each digit."),
)
MEANINGS: Final[dict[Signal, Meaning]] = {
    "idle": Meaning(
        Text("Klaar", "Ready"),
        Text("Toets een PIN of toon een QR-code.", "Type a PIN or show a QR code."),
    ),
    "granted": Meaning(Text("Open", "Open"), Text("Duw.", "Push.")),
    "refused": Meaning(
        Text("Niet aanvaard", "Not accepted"),
        Text("Lees het scherm; kijk dag en uur na.", "Read the screen; check day and hour."),
    ),
    "wait": Meaning(
        Text("Even geen PIN meer", "No PIN for a while"),
        Text("Wacht; een QR-code kan wel.", "Wait; a QR code works."),
    ),
    "fault": Meaning(
        Text("Het toestel kan niet", "The unit cannot"),
        Text("Bel; de sleutel werkt.", "Call; the metal key works."),
    ),
    "off": Meaning(
        Text("Geen stroom of in onderhoud", "No power or in maintenance"),
        Text("Bel; de sleutel werkt.", "Call; the metal key works."),
    ),
}


class Row(NamedTuple):
    """One signal: its name in the program, its light (None: as before) and its sound."""

    name: str
    meaning: Meaning
    light: Rhythm[Colour] | None
    sound: Rhythm[bool]


def rows() -> list[Row]:
    """In the order they are met in, the number told by flashes last."""
    found = [
        Row(signal, MEANINGS[signal], rhythm_in_colour(signal), SOUND_RHYTHMS[SOUND_OF.get(signal, "silence")])
        for signal in SIGNALS
    ]
    found.insert(1, Row("key", KEY, None, SOUND_RHYTHMS["key"]))
    return [*found, Row("number", NUMBER, *_number("21"))]


def _number(code: str) -> tuple[Rhythm[Colour], Rhythm[bool]]:
    """The flashes of a number and the click at each."""
    *flashing, (round_ms, _) = flashes(code)
    light: list[tuple[Colour, int]] = []
    sound: list[tuple[bool, int]] = []
    click_ms = sum(ms for on, ms in SOUND_RHYTHMS["key"].steps if on)
    for (start_ms, end_ms), (next_ms, _) in pairwise([*flashing, (round_ms, round_ms)]):
        light += [(COLOURS["granted"], end_ms - start_ms), ("dark", next_ms - end_ms)]
        sound += [(True, click_ms), (False, next_ms - start_ms - click_ms)]
    return Rhythm(tuple(light), True), Rhythm(tuple(sound), True)


def picture(language: str) -> str:
    """The SVG text in one of `LANGUAGES`."""
    drawn = rows()
    height = TOP + ROW * len(drawn) + 16
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="14">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _words(24, 34, _in(TITLE, language), size=22, bold=True),
        _words(24, 56, _in(SUBTITLE, language), grey=True),
        *_scale(height),
    ]
    for place, row in enumerate(drawn):
        lines += _row(TOP + ROW * place, row.name, row.meaning, language)
        lines += _light(TOP + ROW * place + 16, row.light, language)
        lines += _sound(TOP + ROW * place + 50, row.sound, language)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _row(y: float, name: str, meaning: Meaning, language: str) -> Iterator[str]:
    yield f'<path d="M24 {y}H{WIDTH - 24}" stroke="#cccccc"/>'
    yield _words(24, y + 30, _in(meaning.means, language), size=17, bold=True)
    yield _words(24, y + 52, _in(meaning.do, language))
    yield f'<text x="24" y="{y + 71}" font-size="12" font-family="monospace" fill="#595959">{escape(name)}</text>'
    yield _words(LEFT - 12, y + 32, _in(LIGHT, language), grey=True, end=True)
    yield _words(LEFT - 12, y + 66, _in(SOUND, language), grey=True, end=True)


def _light(y: float, rhythm: Rhythm[Colour] | None, language: str) -> Iterator[str]:
    if rhythm is None:
        yield _note(y, _in(AS_BEFORE, language))
        return
    dark: Colour = "dark"
    colour = next((level for level, _ in rhythm.steps if level != dark), dark)
    yield from _bars(y, rhythm, INKS)
    steady = rhythm.forever and all(level == colour for level, _ in rhythm.steps)
    how = "" if colour == "dark" else _in(STAYS if steady else AGAIN if rhythm.forever else ONCE, language)
    yield _note(y, ", ".join(filter(None, (_in(COLOUR_WORDS[colour], language), how))))


def _sound(y: float, rhythm: Rhythm[bool], language: str) -> Iterator[str]:
    yield from _bars(y, rhythm, {True: SOUND_INK, False: INKS["dark"]})
    yield _note(y, _in(AGAIN if rhythm.forever else ONCE if rhythm.steps else SILENT, language))


def _bars(y: float, rhythm: Rhythm[Level], inks: dict[Level, str]) -> Iterator[str]:
    """Four seconds of a rhythm: what is on, on a ground of what is off. On is higher, too."""
    dark = INKS["dark"]
    yield f'<rect x="{LEFT}" y="{y + LANE - 6}" width="{SHOWN_MS / 1000 * SECOND:g}" height="6" fill="{dark}"/>'
    for start_ms, end_ms, level in _played(rhythm):
        ink = inks[level]
        if ink != dark:
            x, width = LEFT + start_ms / 1000 * SECOND, (end_ms - start_ms) / 1000 * SECOND
            yield f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{LANE}" fill="{ink}"/>'


def _played(rhythm: Rhythm[Level]) -> Iterator[tuple[int, int, Level]]:
    at_ms = 0
    while rhythm.steps and at_ms < SHOWN_MS:
        for level, length_ms in rhythm.steps:
            end_ms = min(at_ms + length_ms, SHOWN_MS)
            if end_ms > at_ms:
                yield at_ms, end_ms, level
            at_ms = end_ms
        if not rhythm.forever:
            return


def _scale(height: int) -> Iterator[str]:
    for second in range(SHOWN_MS // 1000 + 1):
        x = LEFT + second * SECOND
        yield f'<path d="M{x} {TOP - 6}V{height - 16}" stroke="#dddddd"/>'
        yield _words(x, TOP - 10, f"{second} s", grey=True, middle=True)


def _note(y: float, words: str) -> str:
    """Beside a lane, on white, so that it can be read over whatever is drawn there."""
    return _words(LEFT + SHOWN_MS / 1000 * SECOND + 10, y + LANE - 5, words, size=12)


def _in(text: Text, language: str) -> str:
    return text.nl if language == "nl" else text.en


def _words(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 14,
    bold: bool = False,
    grey: bool = False,
    end: bool = False,
    middle: bool = False,
) -> str:
    style = f' font-size="{size}"' if size != 14 else ""
    style += ' font-weight="bold"' if bold else ""
    style += ' text-anchor="end"' if end else ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:g}" y="{y:g}"{style} fill="{"#595959" if grey else "#111111"}">{escape(words)}</text>'


def main() -> None:
    """Draw both pictures."""
    FOLDER.mkdir(exist_ok=True)
    for language in LANGUAGES:
        (FOLDER / f"{language}.svg").write_text(picture(language), "utf-8")
    print(f"{len(LANGUAGES)} pictures in {FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    main()
