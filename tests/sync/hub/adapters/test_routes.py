"""Adapters over HTTP: imports in the caller's own name, hooks with their proof, the staff calendar."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sync.hub.adapters.routes import adapter_routes
from sync.hub.adapters.settings import FILE, read_adapters
from sync.hub.adapters.switchboard import Switchboard
from sync.hub.api.gate import Gate
from sync.hub.api.problems import install
from tests.sync.hub.adapters.test_csv_upload import FILE as TABLE
from tests.sync.hub.adapters.test_hook import SECRET, booking
from tests.sync.hub.adapters.test_ical_feed import calendar, event
from tests.sync.hub.adapters.test_oslo import document
from tests.sync.hub.conftest import NOW, ROOM_A

SETTINGS = """
[hooks.i-reserve]
client = "booking"
proof = "token"
header = "X-Hook-Token"
secret_file = "secret"
id = "booking.id"
fetch = "{url}/v2/bookings/{{id}}"
states = {{ confirmed = "active", cancelled = "cancelled" }}
rooms = {{ "17" = "{room}" }}
[hooks.i-reserve.fields]
state = "data.status"
room = "data.objects[].id"
start = "data.start"
end = "data.end"
"""


@pytest.fixture
def http(service, sessions, foreign, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / FILE).write_text(SETTINGS.format(url=foreign.url, room=ROOM_A))
    board = Switchboard(service, sessions, read_adapters(tmp_path))
    app = FastAPI()
    install(app)
    app.include_router(adapter_routes(board, sessions, lambda room: room, Gate(service, lambda: NOW)))
    client = TestClient(app)
    client.headers["Authorization"] = f"Bearer {service.new_token('booking')}"
    return client


def results(answer) -> list[tuple[str, str | None]]:
    assert answer.status_code == 200, answer.text
    return [(item["result"], item["code"]) for item in answer.json()["items"]]


def test_a_table_is_taken_in_and_the_same_again_changes_nothing(http):
    table = TABLE.replace("Feestzaal", ROOM_A).encode()
    assert results(http.post("/v1/imports/csv", content=table)) == [("created", None), ("created", None)]
    assert results(http.post("/v1/imports/csv", content=table)) == [("unchanged", None), ("unchanged", None)]


def test_a_calendar_and_an_oslo_document(http):
    times = ("DTSTART:20260720T120000Z", "DTEND:20260720T130000Z")
    ics = calendar(event(*times, location=ROOM_A), event(*times, uid="2", location="attic"))
    assert results(http.post("/v1/imports/ics", content=ics)) == [("created", None), ("refused", "unknown_room")]
    oslo = json.dumps({"@graph": [document(infrastructuur={"@id": ROOM_A})]})
    answer = http.post("/v1/imports/oslo", content=oslo, headers={"Content-Type": "application/ld+json"})
    assert results(answer) == [("created", None)]


@pytest.mark.parametrize(
    "odd",
    [
        {"@id": "\ud800"},
        {"infrastructuur": {"@id": "\ud800"}},
        {"gereserveerdDoor": {"@id": 5, "@type": {"a": 1}}},
        {"gereserveerdDoor": {"@id": 5, "@type": ["Persoon", ["x"]]}},
    ],
)
def test_an_odd_oslo_document_is_answered(http, odd):
    """Half a character in it failed the whole answer, after everything else had been taken in."""
    oslo = json.dumps({"@graph": [document(**{"infrastructuur": {"@id": ROOM_A}} | odd)]})
    answer = http.post("/v1/imports/oslo", content=oslo, headers={"Content-Type": "application/ld+json"})
    assert answer.status_code == (422 if "\\ud800" in oslo else 200), answer.text


@pytest.mark.parametrize(("form", "status"), [("csv", 422), ("ics", 422), ("oslo", 422), ("pdf", 422)])
def test_what_is_no_such_file_is_a_problem(http, form, status):
    answer = http.post(f"/v1/imports/{form}", content=b"%PDF-1.4")
    assert answer.status_code == status
    assert answer.json()["code"] in ("bad_import", "bad_request")


def test_nobody_imports_or_reads_without_a_token(http):
    http.headers.pop("Authorization")
    assert http.post("/v1/imports/csv", content=TABLE).status_code == 401
    assert http.get("/v1/calendar.ics").status_code == 401


def test_a_hook_needs_its_own_proof_and_no_token(http, foreign):
    http.headers.pop("Authorization")
    foreign.put("/v2/bookings/12", booking())
    message = {"booking": {"id": 12}}
    assert http.post("/v1/hooks/i-reserve", json=message).json()["code"] == "unauthorised"
    answer = http.post("/v1/hooks/i-reserve", json=message, headers={"x-hook-token": SECRET})
    assert (answer.status_code, answer.json()["result"]) == (200, "created")
    assert http.post("/v1/hooks/other", json=message, headers={"x-hook-token": SECRET}).status_code == 404


def test_a_product_that_does_not_answer_is_asked_to_call_again(http, foreign):
    foreign.put("/v2/bookings/12", "", status=500)
    answer = http.post("/v1/hooks/i-reserve", json={"booking": {"id": 12}}, headers={"X-Hook-Token": SECRET})
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")


def test_what_a_hook_could_not_take_over_is_in_the_log(http, foreign, caplog):
    foreign.put("/v2/bookings/12", booking(room=99))
    answer = http.post("/v1/hooks/i-reserve", json={"booking": {"id": 12}}, headers={"X-Hook-Token": SECRET})
    assert (answer.status_code, answer.json()["code"]) == (200, "unknown_room")
    assert "reservation 12 refused" in caplog.text


def test_the_staff_calendar(http):
    http.post("/v1/imports/csv", content=TABLE.replace("Feestzaal", ROOM_A))
    answer = http.get("/v1/calendar.ics?language=en")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert "SUMMARY:Cleaning W-2" in answer.text


def test_every_route_is_in_the_contract_with_its_body(http):
    paths = http.get("/openapi.json").json()["paths"]
    assert set(paths["/v1/imports/{format}"]["post"]["requestBody"]["content"]) == {
        "text/csv", "text/calendar", "application/ld+json",
    }  # fmt: skip
    assert "502" in paths["/v1/hooks/{adapter}"]["post"]["responses"]
