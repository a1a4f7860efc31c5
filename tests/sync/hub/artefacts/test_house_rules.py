"""house-rules.toml: names and leave instructions, and what may not be in it."""

import pytest

from controller.formats.errors import Refused
from sync.hub.artefacts.house_rules import FILE, HouseRules, read_house_rules

RULES = """
[leave]
nl = ["Zet de stoelen terug."]
[rooms."https://data.example/id/A"]
name = "Feestzaal"
[rooms."https://data.example/id/A".leave]
nl = ["Verwarming op 1."]
[rooms.B.leave]
nl = ["Zet de stoelen terug.", "Wis het bord."]
"""
A = "https://data.example/id/A"


@pytest.fixture
def rules(tmp_path):
    (tmp_path / FILE).write_text(RULES)
    return read_house_rules(tmp_path)


def test_a_room_has_its_own_words_or_the_general_ones(rules):
    assert rules.leaving((A,), "nl") == ("Verwarming op 1.",)
    assert rules.leaving(("other",), "nl") == ("Zet de stoelen terug.",)
    assert rules.leaving((A,), "fr") == ()


def test_two_rooms_say_a_common_line_once(rules):
    assert rules.leaving(("other", "B"), "nl") == ("Zet de stoelen terug.", "Wis het bord.")


def test_a_room_without_a_name_is_called_by_the_end_of_its_id(rules):
    assert rules.name(A) == "Feestzaal"
    assert [HouseRules().name(room) for room in (A, "urn:zaal:12", "https://x.example/Zaal%20A/", "gym", "/")] == [
        "A",
        "12",
        "Zaal A",
        "gym",
        "/",
    ]


def test_no_file_means_no_words_of_the_town(tmp_path):
    assert read_house_rules(tmp_path) == HouseRules()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("leave = ", FILE),
        ("[leave]\nes = ['Hola']", "leave"),
        ("[leave]\nnl = []", "leave"),
        ("[rooms.A]\nnaam = 'A'", "rooms"),
        ("[rooms.A]\nname = 5", "rooms"),
    ],
)
def test_what_may_not_be_in_it_is_named(tmp_path, text, where):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(Refused) as refused:
        read_house_rules(tmp_path)
    assert refused.value.code == "bad_house_rules"
    assert where in str(refused.value)
