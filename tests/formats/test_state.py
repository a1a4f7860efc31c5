"""The door's report of itself."""

import json

import pytest

from controller.formats import state
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from tests.vectors.log_cases import states

REPORT = states()["good"][0]["state"]


def test_round_trip():
    data = json.dumps(REPORT).encode()
    assert json.loads(canonical(state.parse_state(data))) == json.loads(data)


def test_a_door_without_a_list():
    report = state.parse_state(json.dumps({**REPORT, "list_version": 0, "list_hash": None}).encode())
    assert (report.list_version, report.list_hash) == (0, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"receipt": 1 << 40},
        {"list_version": 1 << 32},
        {"posture": "<script>"},
        {"faults": ["line\nfeed"]},
        {"faults": ["x"] * 65},
        {"door": "hall-1\n"},
        {"offline": True},
    ],
)
def test_words_and_numbers_are_bounded(changes: dict[str, object]):
    with pytest.raises(Refused, match="bad_schema"):
        state.parse_state(json.dumps({**REPORT, **changes}).encode())


def test_the_last_will_is_no_report():
    with pytest.raises(Refused):
        state.parse_state(state.OFFLINE)
