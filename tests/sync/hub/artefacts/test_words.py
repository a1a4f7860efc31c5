"""Every language is complete, and says in every sentence what it has to say."""

import string
from datetime import date
from typing import get_args

import msgspec
import pytest

from controller.formats.code_list import Language
from sync.hub.artefacts.words import Words, catalogue, day, joined

LANGUAGES = get_args(Language)

# Entry -> the blanks it has to fill in, in every language.
BLANKS = {
    "title": {"rooms"},
    "opens": {"time"},
    "more": {"count"},
    "pin_for": {"rooms"},
    "date": {"weekday", "day", "month", "year"},
    "sms": {"rooms", "date", "from", "until", "more", "pin"},
    "sms_more": {"count"},
}


def texts(words: Words):
    for entry, value in msgspec.structs.asdict(words).items():
        yield from ((entry, text) for text in ([value] if isinstance(value, str) else value))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete_and_has_every_blank(language):
    for entry, text in texts(catalogue(language)):
        assert text.strip() == text or entry == "sms_more"
        assert text.strip(), entry
        blanks = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        assert blanks == BLANKS.get(entry, set()), (entry, text)


def test_no_sentence_was_left_in_another_language():
    entries = ("title", "opens", "door_pin", "door_qr", "secret", "leave", "more")
    for entry in entries:
        assert len({getattr(catalogue(language), entry) for language in LANGUAGES}) == len(LANGUAGES), entry


def test_a_catalogue_with_an_entry_missing_or_too_many_does_not_load():
    complete = msgspec.to_builtins(catalogue("en"))
    msgspec.convert(complete, Words)
    for entry in complete:
        with pytest.raises(msgspec.ValidationError, match="missing required field"):
            msgspec.convert({name: text for name, text in complete.items() if name != entry}, Words)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(complete | {"greeting": "Hello"}, Words)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("nl", "vrijdag 17 juli 2026"),
        ("fr", "vendredi 17 juillet 2026"),
        ("de", "Freitag, 17. Juli 2026"),
        ("en", "Friday 17 July 2026"),
    ],
)
def test_a_date_in_words(language, told):
    assert day(catalogue(language), date(2026, 7, 17)) == told


def test_names_are_joined_as_one_speaks():
    words = catalogue("nl")
    assert [joined(words, names) for names in (["A"], ["A", "B"], ["A", "B", "C"])] == ["A", "A en B", "A, B en C"]
