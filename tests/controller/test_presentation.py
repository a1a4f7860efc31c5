"""What counts as showing a code once."""

from controller.presentation import GAP_MS, MAX_SEEN, Presentations


def test_a_code_held_still_is_one_presentation():
    seen = Presentations()
    assert [seen.begins("A", ms) for ms in range(0, 60_000, 100)].count(True) == 1


def test_unseen_for_three_seconds_makes_it_a_new_one():
    seen = Presentations()
    assert seen.begins("A", 0)
    assert not seen.begins("A", GAP_MS - 1)
    assert seen.begins("A", 2 * GAP_MS - 1)


def test_two_codes_in_turn_are_two_presentations():
    seen = Presentations()
    assert [seen.begins(text, ms * 100) for ms, text in enumerate("ABABABAB")] == [True, True] + [False] * 6


def test_a_wall_of_codes_is_noise():
    seen = Presentations()
    assert sum(seen.begins(str(number), 0) for number in range(1_000)) == MAX_SEEN
    assert seen.begins("A", GAP_MS)
