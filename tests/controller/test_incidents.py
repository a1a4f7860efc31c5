"""The number on a refusal."""

from controller.formats.incident import incident_number
from controller.incidents import Incidents


def test_it_names_the_record_that_begins_the_minute():
    incidents = Incidents("hall-1")
    assert incidents.number is None
    incidents.refused("log", 7, 1_000)
    assert incidents.number == incident_number("hall-1", "log", 7)


def test_a_refusal_for_another_reason_within_the_minute_looks_no_different():
    incidents = Incidents("hall-1")
    incidents.refused("log", 7, 1_000)
    first = incidents.number
    incidents.refused("log", 8, 60_999)
    assert incidents.number == first
    incidents.refused("log", 8, 61_000)
    assert incidents.number != first
