"""The shape of a refusal, which command lines and logs print."""

from controller.formats.errors import Refused


def test_a_refusal_reads_place_sentence_code():
    refusal = Refused("bad_pin", "grants[3].pins[0]", "six digits")
    assert str(refusal) == "grants[3].pins[0]: six digits (bad_pin)"
    assert (refusal.code, refusal.where, refusal.text) == ("bad_pin", "grants[3].pins[0]", "six digits")


def test_without_a_place_it_starts_with_the_sentence():
    assert str(Refused("odd", "", "no place")) == "no place (odd)"
