"""What the screen says, and that it says no more."""

import msgspec
import pytest

from controller.display.catalogue import GUIDE_STEPS, LANGUAGES, catalogues
from controller.display.keyed_language import CHOICE_MS
from controller.display.screen import AFTER_MS, TURN_MS, Composer, Screen
from controller.formats.messages import Guide, PublicState
from tests.controller.display import snapshots
from tests.controller.display.states import LEAVE, NOON_S, public, refused


def told(screen: Screen) -> list[str]:
    return [line.text for line in (*screen.headings, *screen.body, *screen.footer)]


def screen(state: PublicState, chosen: str | None = None) -> Screen:
    composer = Composer()
    composer.heard(state, 0)
    return composer.screen(0, chosen)


def test_the_screen_says_what_was_looked_at():
    stored = snapshots.FILE.read_text("utf-8")
    assert snapshots.snapshots() == stored, "look at `python -m tests.controller.display.snapshots; git diff`"


def test_a_pin_of_next_week_looks_as_one_that_does_not_exist():
    # The controller says `unknown_code` for both; nothing else in the public state could differ.
    assert screen(refused("unknown_code")) == screen(refused("unknown_code"))
    assert "opens_at" not in repr(screen(refused("unknown_code")))


def test_a_refusal_of_a_reason_nobody_knows_yet_is_told_neutrally():
    assert told(screen(refused("brand_new"))) == told(screen(refused("unknown_code")))


def test_help_and_number_stay_after_the_refusal_and_then_go():
    composer = Composer()
    composer.heard(refused("unknown_code"), 0)
    composer.heard(public(), 5_000)
    assert composer.screen(5_000).state == "help"
    assert told(composer.screen(AFTER_MS - 1))[-2:] == [
        "Zaalwachter: 09\u00a0000\u00a000\u00a000",
        "Melding 123-456-789",
    ]
    assert composer.screen(AFTER_MS).state == "idle"


def test_the_next_person_does_not_see_the_help_of_the_one_before():
    composer = Composer()
    composer.heard(refused("unknown_code"), 0)
    composer.heard(public(digits=1), 6_000)
    composer.heard(public(), 8_000)
    assert composer.screen(8_000).state == "idle"


def test_a_refusal_is_over_with_the_next_key_and_does_not_come_back():
    composer = Composer()
    composer.heard(refused("unknown_code"), 0)
    composer.heard(refused("unknown_code", digits=1), 1_000)
    assert composer.screen(1_000).state == "typing"
    composer.heard(refused("unknown_code"), 2_000)  # cleared again, and the controller still shows its answer
    assert composer.screen(2_000).state == "idle"
    composer.heard(refused("too_late", shown_at=NOON_S + 3), 3_000)
    assert composer.screen(3_000).state == "refused"


def test_how_to_leave_is_told_after_signing_out_in_every_language_in_turn():
    composer = Composer()
    composer.heard(public(languages=LANGUAGES, shown="granted", reason="signed_out", shown_at=NOON_S), 0)
    composer.heard(public(languages=LANGUAGES), 5_000)
    said = [told(composer.screen(turn * TURN_MS)) for turn in range(4)]
    assert all(LEAVE[language] in said[turn] for turn, language in enumerate(LANGUAGES))


@pytest.mark.parametrize(("seconds", "state"), [(901, "idle"), (900, "leave"), (1, "leave")])
def test_how_to_leave_is_told_from_a_quarter_of_an_hour_before_the_end(seconds: int, state: str):
    assert screen(public(occupied_until=NOON_S + seconds)).state == state


def test_time_that_passes_is_seen_without_news_from_the_controller():
    composer = Composer()
    composer.heard(public(occupied_until=NOON_S + 1_000), 0)
    assert composer.screen(0).state == "idle"
    assert composer.screen(100_000).state == "leave"


def test_languages_come_in_the_order_of_the_policy():
    both = screen(refused("too_late", languages=("fr", "nl")))
    assert told(both)[:2] == ["Trop tard", "Te laat"]
    assert [line.language for line in both.languages] == ["fr", "nl"]


def test_a_person_chooses_after_the_first_key_and_not_on_the_idle_screen():
    assert screen(public(languages=("nl", "fr"))).languages == ()
    assert told(screen(public(languages=("nl", "fr"), digits=1), "fr"))[0] == "Votre code"
    assert told(screen(public(languages=("nl",), digits=1), "fr"))[0] == "Uw code"


ALL = ("nl", "fr", "de")


def test_at_the_keypad_alone_the_next_language_is_asked_for():
    composer = Composer()
    composer.heard(public(languages=ALL, turns=5), 0)  # what was typed before this screen started chooses nothing
    assert composer.screen(0).chosen == ""
    assert told(composer.screen(0))[-1] == "#9: FR DE"
    composer.heard(public(languages=ALL, turns=6), 1_000)
    assert told(composer.screen(1_000))[1:] == [
        "PIN ou code QR",
        "Libre jusqu’à 18:00",
        "Lecteur QR : sans enregistrement",
        "#9: DE NL",
    ]
    composer.heard(public(languages=ALL, turns=6, digits=2), 2_000)
    assert told(composer.screen(2_000)) == ["Votre code", "Erreur ? Appuyez sur *."]
    composer.heard(public(languages=ALL, turns=8), 3_000)
    assert composer.screen(3_000).chosen == "nl"


def test_a_language_chosen_at_the_keypad_lasts_while_somebody_is_there():
    composer = Composer()
    composer.heard(public(languages=ALL), 0)
    composer.heard(public(languages=ALL, turns=1), 1_000)
    composer.heard(public(languages=ALL, turns=1, digits=1), 2_000)
    assert composer.screen(60_000).chosen == "fr"
    composer.heard(public(languages=ALL, turns=1), 60_000)
    assert composer.screen(60_000 + CHOICE_MS - 1).chosen == "fr"
    assert composer.screen(60_000 + CHOICE_MS).chosen == ""
    composer.heard(public(languages=ALL, turns=2), 200_000)
    assert composer.screen(200_000).chosen == "fr", "the next person begins anew"


def test_a_controller_that_counts_anew_chooses_nothing_and_one_language_leaves_no_choice():
    composer = Composer()
    composer.heard(public(languages=ALL, turns=7), 0)
    composer.heard(public(languages=ALL), 1_000)
    assert composer.screen(1_000).chosen == ""
    composer.heard(public(turns=1), 2_000)
    alone = composer.screen(2_000)
    assert (alone.switch, alone.footer) == ("", ())


def test_touching_counts_before_typing_and_both_are_told():
    composer = Composer()
    composer.heard(public(languages=ALL), 0)
    composer.heard(public(languages=ALL, turns=1, digits=1), 1_000)
    told_here, told_there = composer.screen(1_000, "de"), composer.screen(1_000)
    assert (told_here.chosen, told_there.chosen) == ("de", "fr")
    assert told_here.switch == "*#9", "a # behind digits would end the code"
    composer.heard(public(languages=ALL, turns=1, digits=1, faults=("keypad",)), 2_000)
    assert composer.screen(2_000).switch == ""


def test_a_door_that_cannot_know_its_bookings_does_not_call_the_room_free():
    assert told(screen(public(bookings=False))) == ["Feestzaal", "PIN of QR\u2011code", "QR\u2011lezer: geen opname"]


def test_the_idle_screen_speaks_one_language_after_the_other():
    composer = Composer()
    composer.heard(public(languages=("nl", "de")), 0)
    assert "PIN of QR\u2011code" in told(composer.screen(0))
    assert "PIN oder QR\u2011Code" in told(composer.screen(TURN_MS))
    assert "PIN of QR\u2011code" in told(composer.screen(2 * TURN_MS))


def test_two_equal_answers_are_heard_twice():
    assert screen(refused("too_late")).moment != screen(refused("too_late", shown_at=NOON_S + 9)).moment


def test_an_unknown_time_zone_does_not_take_the_screen_away():
    assert "Open vanaf 11:00." in told(screen(refused("too_early", opens_at=NOON_S + 3600, time_zone="Mars/Olympus")))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("step", sorted(GUIDE_STEPS))
def test_whoever_brings_the_door_into_service_is_told_each_step(language, step):
    guide = Guide(step=step, kind="number", left="7#", typed="105", place=3, of=17)
    composer = Composer()
    composer.heard(public(languages=(language,), guide=guide, shown="fault", digits=3), 0)
    told = composer.screen(0)
    words = catalogues()[language].guide[step]
    assert [line.text for line in told.headings] == [words.title]
    # A hyphen is one at which no line is broken.
    assert told.body[0].text.replace("\u2011", "-") == words.hint and told.body[-1].text == "105"
    assert "7 #" in told.body[1].text and "3" in told.footer[0].text and "17" in told.footer[0].text
    assert told.dots == 0


@pytest.mark.parametrize("far_s", [253_402_300_799, 1 << 40])
@pytest.mark.parametrize("time_zone", ["Europe/Brussels", "Pacific/Kiritimati"])
def test_a_booking_without_end_does_not_take_the_screen_away(time_zone, far_s):
    for state in (public(occupied_until=far_s), public(occupied_from=far_s), refused("too_early", opens_at=far_s)):
        assert told(screen(msgspec.structs.replace(state, time_zone=time_zone)))
