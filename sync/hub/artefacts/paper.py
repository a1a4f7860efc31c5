"""The sheet on paper: A4, black and white, for whoever has no smartphone (R004-03).

Text is text (selectable, in Helvetica, which every reader has), each piece is tagged with what it is, the QR code is
drawn as vectors and has a description, the language is set. No JavaScript, no form, no link.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.prefs import ViewerPreferences

from sync.hub.artefacts import qr_picture
from sync.hub.artefacts.sheet import Sheet

MARGIN_MM = 20
MODULE_MM = 2.0
"""29 modules of 2 mm are 58 mm, well over the 40 mm that a fixed-focus camera needs; one dot at 300 dpi is 0.08 mm."""

CHARACTERS = "windows-1252"
"""What the fonts inside every PDF reader can write: all letters of nl, fr, de and en."""

BODY_PT, HEADING_PT, TITLE_PT, PIN_PT = 11, 14, 20, 36
LINE_MM_PER_PT = 0.5
GAP_MM = 3


def pdf(sheet: Sheet, made_at: int) -> bytes:
    """The document; `made_at` is what it says it was made at, UTC seconds."""
    page = Page(sheet, datetime.fromtimestamp(made_at, UTC))
    words = sheet.words
    page.say("H1", sheet.title, TITLE_PT, bold=True)
    page.section(words.when, sheet.when())
    for label, code in sheet.codes():
        page.say("H2", label, HEADING_PT, bold=True)
        page.say("P", code, PIN_PT, bold=True)
    if sheet.qr is not None:
        page.picture(qr_picture.modules(sheet.qr), words.qr)
    page.section(words.door, sheet.at_the_door())
    page.section(words.leave, sheet.leaving())
    if sheet.help:
        page.say("P", f"{words.help}: {sheet.help}", BODY_PT)
    return bytes(page.output())


class Page(FPDF):
    """A4 in reading order; goes on on a next page when one is full."""

    def __init__(self, sheet: Sheet, made: datetime) -> None:
        super().__init__(format="A4")
        self.core_fonts_encoding = CHARACTERS
        self.set_margin(MARGIN_MM)
        self.set_lang(sheet.language)
        self.set_title(printable(sheet.title))
        self.set_creation_date(made)
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.add_page()

    def section(self, heading: str, lines: list[str] | tuple[str, ...]) -> None:
        """A heading and what stands below it."""
        self.say("H2", heading, HEADING_PT, bold=True)
        for line in lines:
            self.say("P", line, BODY_PT)

    def say(self, tag: str, text: str, size_pt: int, *, bold: bool = False) -> None:
        """One paragraph as wide as the page, tagged `P` or as a heading `H1`, `H2`."""
        if tag == "H2":
            self.ln(GAP_MM)
        self.set_font("Helvetica", "B" if bold else "", size_pt)
        line_mm = size_pt * LINE_MM_PER_PT
        text = printable(text)
        # A tagged piece may not run over the end of a page, so the page ends before it.
        lines = self.multi_cell(0, line_mm, text, align="L", dry_run=True, output="LINES")
        assert isinstance(lines, list)
        self._perform_page_break_if_need_be(len(lines) * line_mm)
        with self._tagged(tag):
            self.multi_cell(0, line_mm, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def picture(self, modules: list[list[bool]], description: str) -> None:
        """The QR code in the middle of the page, with white around it."""
        quiet_mm = qr_picture.QUIET_MODULES * MODULE_MM
        side_mm = len(modules) * MODULE_MM
        self._perform_page_break_if_need_be(side_mm + 2 * quiet_mm)
        left, top = (self.w - side_mm) / 2, self.y + quiet_mm
        with self._marked_sequence(alt_text=description):
            for row, line in enumerate(modules):
                for first, count in runs(line):
                    self.rect(left + first * MODULE_MM, top + row * MODULE_MM, count * MODULE_MM, MODULE_MM, style="F")
        self.set_y(top + side_mm + quiet_mm)

    @contextmanager
    def _tagged(self, tag: str) -> Iterator[None]:
        # fpdf2 tags pictures by itself; text gets the same bookkeeping here.
        place = self.struct_builder.next_mcid_for_page(self.page)
        self._add_marked_content(struct_type=f"/{tag}", mcid=place)
        self._out(f"/{tag} <</MCID {place}>> BDC")
        yield
        self._out("EMC")


def runs(line: list[bool]) -> Iterator[tuple[int, int]]:
    """(first, count) of each run of black modules: one rectangle each leaves no hairlines between modules."""
    first = 0
    while first < len(line):
        count = 0
        while first + count < len(line) and line[first + count]:
            count += 1
        if count:
            yield first, count
        first += count + 1


def printable(text: str) -> str:
    """The text in characters the fonts have: others lose their accent or become `?`."""
    return "".join(map(_character, text))


def _character(character: str) -> str:
    for candidate in (character, unicodedata.normalize("NFKD", character)[0]):
        try:
            candidate.encode(CHARACTERS)
        except UnicodeEncodeError:
            continue
        return candidate
    return "?"
