"""What a client reads of the records: usage facts, figures, subject access, evidence; and who may not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from fastapi.testclient import TestClient

from sync.hub.api.app import create_app
from sync.hub.api.routes_records import record_routes
from sync.hub.audit.client_records import ClientRecords
from sync.hub.audit.readings import Reading, Readings
from sync.hub.audit.verify import verify
from sync.hub.instants import instant
from sync.hub.records.log_store import LogStore
from sync.hub.records.visits import SETTLE_S, Visits
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, NOW, ROOM_A, TOWN
from tests.sync.hub.rented import DOOR, START, UNTIL, Rented

CLIENTS = """
[clients.policy]
service = "culture"
scopes = ["stats"]
[clients.sports]
service = "sport"
scopes = ["reservations", "records", "stats"]
"""
PERIOD = {"from": instant(START - 600), "until": instant(UNTIL + 600)}
WHY = {"purpose": "complaint 17", "legal_basis": "public_task"}
LATER = NOW + 40 * DAY


@pytest.fixture
def rented(sessions, service):
    """Two choirs in room A one after the other, and somebody who is not of this service by the same door."""
    service.apply(read_town(TOWN + CLIENTS), NOW)
    rented = Rented(sessions, service)
    first, second = (rented.book(ref, share_group="choirs") for ref in ("R-1", "R-10"))
    rented.write("granted", START - 540, first)
    rented.write("in", START - 535, first, leaf="opened")
    rented.write("in", START + 60, second, leaf="opened")
    rented.write("in", START + 90, "g-of-another-service", leaf="opened")
    rented.write("held_open", START + 120)
    rented.write("out", UNTIL + 300, first, attribution="explicit")
    rented.deliver()
    Visits(sessions).follow(UNTIL + SETTLE_S)
    return rented


@pytest.fixture
def call(rented, service, sessions):
    more = [partial(record_routes, ClientRecords(service, sessions))]
    http = TestClient(create_app(service, LogStore(sessions), now=lambda: LATER, more=more))
    secrets = {name: service.new_token(name) for name in ("booking", "policy", "sports")}

    def call(client: str, method: str, path: str, body=None):
        headers = {"Authorization": f"Bearer {secrets[client]}"}
        return http.request(method, path, json=body, headers=headers)

    return call


def named(lines: bytes) -> set[str]:
    """The grants that an export names."""
    openings = [json.loads(line).get("record", {}).get("opening") for line in lines.splitlines()]
    return {each["grant"] for each in openings if each}


def test_usage_facts_are_what_the_visits_tell(call):
    (visit,) = call("booking", "GET", "/v1/reservations/R-1/usage").json()["visits"]
    assert visit.pop("id").startswith("v-")
    assert visit == {
        "revision": 1, "room": ROOM_A, "start": instant(START), "until": instant(UNTIL), "used": True,
        "first_in": instant(START - 535), "last_out": instant(UNTIL + 300), "attribution": "explicit",
        "minutes_early": 8, "minutes_late": 5, "entries": 1, "held_open": 1, "certain": True,
    }  # fmt: skip


def test_figures_name_nobody_and_are_of_the_own_rooms(call, rented, sessions):
    for number in range(5):
        rented.book(f"S-{number}", share_group="choirs")
    Visits(sessions).follow(UNTIL + SETTLE_S)
    answer = call("policy", "GET", "/v1/figures?month=2026-07").json()
    assert answer["month"] == "2026-07"
    found = {each["name"]: each["count"] for each in answer["figures"] if each["room"] == ROOM_A}
    assert (found["used"], found["no_show"], found["visits"]) == (None, 5, None)
    assert call("sports", "GET", "/v1/figures?month=2026-07").json()["figures"] == []
    assert call("policy", "GET", "/v1/figures?month=2026-01").json()["figures"] == [], "nothing was kept of it"


@pytest.mark.parametrize("month", ["2026-08", "2026-13", "july", "9999-12", ""])
def test_a_month_that_is_not_over_or_none_has_no_figures(call, month):
    answer = call("policy", "GET", f"/v1/figures?month={month}")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


def test_an_export_verifies_names_who_was_asked_for_and_is_written_down(call, rented, sessions, service):
    answer = call("booking", "POST", "/v1/exports", WHY | PERIOD | {"door": DOOR})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    verdict = verify(answer.content.splitlines(keepends=True), rented.log.signing.verify_key)
    assert (verdict.damage, verdict.records, verdict.redacted) == (None, 6, 1)
    own = {ref: service.get("booking", ref, NOW).grant for ref in ("R-1", "R-10")}
    assert named(answer.content) == set(own.values()), "who came for another service's room is not named"
    of_one = call("booking", "POST", "/v1/exports", WHY | {"reservation": "R-1"})
    assert named(of_one.content) == {own["R-1"]}
    assert verify(of_one.content.splitlines(keepends=True), rented.log.signing.verify_key).damage is None
    place = f"door {DOOR}, log {rented.log.log}"
    assert [(each.by, each.action, each.subject, each.purpose, each.basis) for each in Readings(sessions).all()] == [
        ("client booking", "export", f"{place}, from {START - 600} until {UNTIL + 600}", "complaint 17", "public_task"),
        ("client booking", "export", f"{place}, reservation booking/R-1", "complaint 17", "public_task"),
    ]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"legal_basis": None}, 422, "bad_request"),
        ({"legal_basis": "none_named"}, 422, "bad_request"),
        ({"purpose": None}, 422, "bad_request"),
        ({"purpose": " "}, 422, "bad_request"),
        ({"purpose": "asked by jan@example.be"}, 422, "personal_data_refused"),
        ({"from": None}, 422, "bad_request"),
        ({"until": PERIOD["from"]}, 422, "bad_request"),
        ({"door": None}, 422, "bad_request"),
        ({"door": "gym-1"}, 404, "not_found"),
        ({"door": "nowhere"}, 404, "not_found"),
        ({"log": "0" * 16}, 404, "not_found"),
        ({"reservation": "R-2"}, 404, "not_found"),
        ({"from": instant(UNTIL + DAY), "until": instant(UNTIL + 2 * DAY)}, 404, "not_found"),
    ],
)
def test_an_export_that_is_not_to_be_had_is_not_written_down(call, sessions, changes, status, code):
    asked = WHY | PERIOD | {"door": DOOR} | changes
    answer = call("booking", "POST", "/v1/exports", {name: value for name, value in asked.items() if value is not None})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Readings(sessions).all() == []


def test_of_several_logs_one_is_chosen(call, rented):
    rented.log.log, rented.stored = "f" * 16, 0
    del rented.log.events[:], rented.log.openings[:], rented.log.hashes[1:]
    rented.write("boot", START)
    rented.deliver()
    asked = WHY | PERIOD | {"door": DOOR}
    answer = call("booking", "POST", "/v1/exports", asked)
    assert (answer.status_code, answer.json()["where"]) == (422, "log")
    answer = call("booking", "POST", "/v1/exports", asked | {"log": "f" * 16})
    assert verify(answer.content.splitlines(keepends=True), rented.log.signing.verify_key).records == 1


def test_subject_access_is_of_this_reservation_and_written_down(call):
    call("booking", "GET", "/v1/reservations/R-10/subject")
    document = call("booking", "GET", "/v1/reservations/R-1/subject").json()
    assert document["about"] == "booking/R-1"
    assert [each["ref"] for each in document["reservations"]] == ["R-1"]
    assert [each["what"] for each in document["records"]] == ["granted", "in", "out"]
    assert [(each["by"], each["subject"]) for each in document["read_by"]] == [("client booking", "booking/R-1")]


@pytest.mark.parametrize("what", ["usage", "subject"])
def test_a_foreign_reservation_does_not_exist(call, sessions, what):
    assert call("sports", "GET", f"/v1/reservations/R-1/{what}").status_code == 404
    assert call("sports", "POST", "/v1/exports", WHY | {"reservation": "R-1"}).status_code == 404
    assert call("sports", "POST", "/v1/exports", WHY | PERIOD | {"door": DOOR}).status_code == 404
    assert Readings(sessions).all() == []


def test_figures_alone_open_nothing_else(call):
    """R001-10: with `stats` only, figures and nothing that is about anybody; without it, none."""
    assert call("policy", "GET", "/v1/figures?month=2026-07").status_code == 200
    for path in ("reservations/R-1", "reservations/R-1/usage", "reservations/R-1/subject", "events", "rooms/A/status"):
        assert call("policy", "GET", f"/v1/{path}").status_code == 403, path
    assert call("policy", "POST", "/v1/exports", WHY | PERIOD | {"door": DOOR}).status_code == 403
    assert call("booking", "GET", "/v1/figures?month=2026-07").status_code == 403


def test_readings_written_down_at_once_make_one_chain(sessions, service):
    readings = Readings(sessions)
    made = Reading(NOW, "client booking", "export", "door a-1", "complaint 17", "public_task")
    with ThreadPoolExecutor(4) as pool:
        hashes = set(pool.map(readings.note, [made] * 12))
    assert (len(hashes), len(readings.all()), readings.damaged()) == (12, 12, None)
