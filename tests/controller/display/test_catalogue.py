"""Every language is complete, says the same things, and fits the screen."""

import string

import msgspec
import pytest

from controller.display.catalogue import LANGUAGES, REFUSALS, Catalogue, catalogues

CHARS_A_LINE = 20  # of 154 mm at 12.9 mm font size, beside the icon; 4 languages have one line each
ANSWERS = ("typing", "granted", "wait")


def texts(words: Catalogue) -> dict[str, str]:
    plain = {name: text for name, text in msgspec.to_builtins(words).items() if isinstance(text, str)}
    return plain | {f"{reason} hint": refusal.hint for reason, refusal in words.refused.items()}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete_and_has_the_same_blanks(language):
    words, dutch = catalogues()[language], catalogues()["nl"]
    assert set(words.refused) == REFUSALS
    for name, text in texts(words).items():
        assert text.strip()
        assert fields(text) == fields(texts(dutch)[name]), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_heading_of_an_answer_fits_one_line(language):
    words = catalogues()[language]
    headings = [getattr(words, name) for name in ANSWERS] + [refusal.title for refusal in words.refused.values()]
    assert [heading for heading in headings if len(heading) > CHARS_A_LINE] == []


def test_no_two_reasons_are_told_alike():
    for words in catalogues().values():
        hints = [refusal.hint for refusal in words.refused.values()]
        assert len(set(hints)) == len(hints)


def test_a_catalogue_that_lacks_a_reason_is_refused():
    document = msgspec.to_builtins(catalogues()["nl"])
    del document["refused"]["too_early"]
    with pytest.raises(msgspec.ValidationError, match="too_early"):
        msgspec.convert(document, Catalogue)
