"""What a holder is told, in each language: one catalogue per file in `words/`, all with the same entries.

    words = catalogue("fr")
    words.title.format(rooms="Salle des fêtes")
    day(words, date(2026, 7, 17))          # "vendredi 17 juillet 2026"

A catalogue that lacks an entry or has one too many does not load, so a language is complete or absent.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Annotated

import msgspec
from msgspec import Meta

from controller.formats.code_list import Language


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The texts of one language. Names in braces are filled in: `{rooms}`, `{time}` (14:00), `{count}`, `{pin}`,
    `{date}` (17/07/2026 in `sms`), `{from}`, `{until}` and `{more}` (`sms_more` or nothing)."""

    title: str
    when: str
    opens: str
    more: str
    pin: str
    pin_for: str
    qr: str
    door: str
    door_pin: str
    door_qr: str
    door_qr_only: str
    secret: str
    leave: str
    leave_rules: Annotated[tuple[str, ...], Meta(min_length=1)]
    help: str
    and_: str = msgspec.field(name="and")
    date: str
    weekdays: Annotated[tuple[str, ...], Meta(min_length=7, max_length=7)]
    months: Annotated[tuple[str, ...], Meta(min_length=12, max_length=12)]
    sms: str
    sms_more: str


@cache
def catalogue(language: Language) -> Words:
    """The catalogue of a language."""
    text = resources.files(__package__).joinpath("words", f"{language}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Words)


def day(words: Words, on: date) -> str:
    """A date in words, with its weekday."""
    return words.date.format(
        weekday=words.weekdays[on.weekday()], day=on.day, month=words.months[on.month - 1], year=on.year
    )


def joined(words: Words, names: Sequence[str]) -> str:
    """Names as one speaks them: `A`, `A en B`, `A, B en C`."""
    return f" {words.and_} ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])
