"""Each fuzzer a little, with a seed that stays: `./run fuzz` runs them for real."""

import pytest

from tests.fuzz import empty, images, lists, qr, serial, socket

FEW = {lists: 150, qr: 3_000, images: 100, empty: 8, socket: 150, serial: 300}


@pytest.mark.parametrize("entrance", FEW, ids=lambda module: module.__name__.rpartition(".")[2])
def test_nothing_crashes_and_nothing_opens(entrance):
    outcome = entrance.fuzz(FEW[entrance], 20260717, lambda _done: None)
    assert outcome.inputs > FEW[entrance] * 0.9
    assert len(outcome.answers) > 1
