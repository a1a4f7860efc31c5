"""What a door remembers through a power cut."""

from typing import Any

import msgspec
import pytest

from controller.memory import USES_KEPT_S, Memory
from controller.passage import Entrant
from controller.posture import Posture

ANNA = Entrant("g1", "c1", "pin", 2_000)
BERT = Entrant("g2", "c2", "qr", 500)


def through_disk(kept: dict[str, Any]) -> dict[str, Any]:
    return {name: msgspec.json.decode(msgspec.json.encode(value)) for name, value in kept.items() if value is not None}


def test_everything_comes_back():
    memory = Memory(tries=4)
    kept = memory.changed_tries() | memory.went_in(BERT, 100) | memory.went_in(ANNA, 200) | memory.went_in(ANNA, 300)
    kept |= memory.set_posture(Posture("unlocked", 5, 900)) | {"pulse": 123_456}
    memory.pulse_at_ms = 123_456
    restored = Memory.restore(through_disk(kept))
    assert restored == memory
    assert restored.uses == {"g1": 2, "g2": 1}
    assert set(restored.inside) == {"g1", "g2"}


def test_a_fresh_door_has_its_tries_and_an_unreadable_one_none():
    assert Memory.restore({}).tries == 10
    assert Memory.restore(None).tries == 0


@pytest.mark.parametrize(
    "nonsense",
    [{"tries": "many"}, {"use:g1": 3}, {"use:g1": [1]}, {"inside:g1": []}, {"inside:g1": {}}, {"posture": {"x": 1}}],
)
def test_what_makes_no_sense_is_unreadable(nonsense: dict[str, Any]):
    assert Memory.restore({"tries": 9} | nonsense) == Memory(tries=0, in_service=True)


def test_signing_out_leaves_the_others_inside():
    memory = Memory(tries=1)
    kept = memory.went_in(ANNA, 100) | memory.went_in(BERT, 100) | memory.went_out("g1")
    assert set(Memory.restore(through_disk(kept)).inside) == set(memory.inside) == {"g2"}


def test_nobody_is_inside_for_ever():
    memory = Memory(tries=1)
    kept = memory.went_in(BERT, 100) | memory.went_in(ANNA, 600)
    assert set(Memory.restore(through_disk(kept)).inside) == set(memory.inside) == {"g1"}


def test_an_entry_keeps_nothing_about_the_others_inside():
    memory = Memory(tries=1)
    memory.went_in(BERT, 100)
    assert set(memory.went_in(ANNA, 200)) == {"use:g1", "inside:g1"}


def test_who_comes_back_after_their_time_is_inside():
    memory = Memory(tries=1)
    kept = memory.went_in(BERT, 100) | memory.went_in(BERT, 600)
    assert set(Memory.restore(through_disk(kept)).inside) == set(memory.inside) == {"g2"}


def test_counts_of_grants_long_gone_are_forgotten():
    memory = Memory(tries=1)
    memory.went_in(ANNA, 0)
    memory.went_in(BERT, 1)
    assert memory.forget_uses({"g9"}, USES_KEPT_S) == {}
    assert memory.forget_uses({"g2"}, USES_KEPT_S + 1_000) == {"use:g1": None}
    assert memory.uses == {"g2": 1}
