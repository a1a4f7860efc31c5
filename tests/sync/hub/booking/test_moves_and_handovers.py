"""Who books a room, from when on (R004-22), and whether codes reached their holders (R004-10)."""

import pytest
from fastapi.testclient import TestClient

from controller.formats.errors import Refused
from sync.hub.api.app import create_app
from sync.hub.records.log_store import LogStore
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, TOWN, wish

CUT = NOW + DAY
SECOND = """
[clients.second]
service = "culture"
[clients.cleaners]
service = "culture"
[clients.desk]
service = "culture"
scopes = ["facility"]
"""
MOVED = TOWN.replace(
    'doors = ["a-1"]\n',
    'doors = ["a-1"]\nclient = "booking"\nmove = { to = "second", at = 2026-07-15T05:34:00+02:00 }\n',
).replace("[pin_sets.town]", SECOND + "[pin_sets.town]")


def test_a_room_moves_to_another_client_at_its_time(service):
    """Before it the new one may not, after it the old one may not; what was booked stays, and can be called off."""
    service.apply(read_town(MOVED), NOW)
    assert CUT == 1_784_086_440
    kept, _ = service.put("booking", "R-1", wish(start=CUT + DAY, until=CUT + DAY + HOUR), NOW)
    service.put("booking", "R-2", wish(start=CUT + 2 * DAY, until=CUT + 2 * DAY + HOUR), NOW)
    elsewhere = wish(start=CUT + 3 * DAY, until=CUT + 3 * DAY + HOUR)
    with pytest.raises(Refused, match="not_owner"):
        service.put("second", "S-1", elsewhere, CUT - 1)
    service.put("second", "S-1", elsewhere, CUT)
    for change in (
        lambda: service.put("booking", "R-9", wish(start=CUT + 9 * DAY, until=CUT + 9 * DAY + HOUR), CUT),
        lambda: service.put("booking", "R-1", wish(2, start=CUT + 4 * DAY, until=CUT + 4 * DAY + HOUR), CUT),
        lambda: service.rotate("booking", "R-1", CUT),
    ):
        with pytest.raises(Refused, match="not_owner"):
            change()
    assert service.get("booking", "R-1", CUT).openings == kept.openings
    service.put("booking", "R-2", wish(2, state="cancelled"), CUT)
    service.put("cleaners", "C-1", wish(kind="cleaning", start=CUT + DAY, until=CUT + DAY + HOUR), CUT)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('client = "nobody"', "[rooms.A] client"),
        ('client = "club"', "[rooms.A] client"),
        ('move = { to = "club", at = 2027-01-01T00:00:00Z }', "[rooms.A] move.to"),
        ('move = { to = "booking", at = 2027-01-01T00:00:00 }', "[rooms.A] move.at"),
    ],
)
def test_rooms_that_nobody_could_book(line, where):
    with pytest.raises(Refused) as refused:
        read_town(TOWN.replace('doors = ["a-1"]', f'doors = ["a-1"]\n{line}'))
    assert refused.value.where == where


@pytest.fixture
def http(service, sessions):
    town = MOVED.replace('scopes = ["reservations", "records"]', 'scopes = ["reservations"]\nhandovers = true')
    service.apply(read_town(town), NOW)
    return TestClient(create_app(service, LogStore(sessions), now=lambda: NOW), raise_server_exceptions=False)


def test_a_code_that_reached_nobody_is_an_exception_until_it_did(http, service):
    """R004-10: channel, time and whether; never an address. Only of clients that tell at all."""
    booker, staff, other = (
        {"Authorization": f"Bearer {service.new_token(name)}"} for name in ("booking", "desk", "second")
    )
    service.put("booking", "R-1", wish(), NOW)
    service.put("booking", "R-2", wish(start=NOW + 3 * DAY, until=NOW + 3 * DAY + HOUR), NOW)
    service.put("second", "S-1", wish(rooms=("B",)), NOW)
    late = http.get("/v1/exceptions", headers=staff).json()["reservations"]
    told = [each for each in late if each["code"] == "not_handed_over"]
    assert [(each["reservation"], each["door"]) for each in told] == [("R-1", None)]
    place, when = "/v1/reservations/R-1/handovers", "2026-07-14T05:34:00+02:00"
    failed = http.post(place, headers=booker, json={"channel": "mail", "at": when, "ok": False})
    assert failed.status_code == 201
    assert "not_handed_over" in http.get("/v1/exceptions", headers=staff).text
    http.post(place, headers=booker, json={"channel": "sms", "at": when, "ok": True})
    assert "not_handed_over" not in http.get("/v1/exceptions", headers=staff).text
    answer = http.get("/v1/reservations/R-1", headers=booker).json()
    assert [(each["channel"], each["ok"]) for each in answer["handovers"]] == [("mail", False), ("sms", True)]
    assert http.post(place, headers=other, json={"channel": "sms", "at": when, "ok": True}).status_code == 404
    for wrong in (
        {"channel": "0470 12 34 56", "at": when, "ok": True},
        {"channel": "mail", "at": when, "ok": True, "to": "an@example.be"},
        {"channel": "mail", "at": "2027-07-14T05:34:00+02:00", "ok": True},
        {"channel": "mail", "at": "2026-07-14T05:34:00", "ok": True},
    ):
        assert http.post(place, headers=booker, json=wrong).status_code == 422


def test_the_answer_leads_to_every_form_of_a_code(http, service):
    """R002-17: the confirmation can carry them."""
    booker = {"Authorization": f"Bearer {service.new_token('booking')}"}
    service.put("booking", "R-1", wish(rooms=(ROOM_A,)), NOW)
    links = [each["links"] for each in http.get("/v1/reservations/R-1", headers=booker).json()["credentials"]]
    forms = {form for each in links for form in each}
    assert forms == {"sheet.pdf", "sheet.html", "sheet.txt", "sms.txt", "qr.png", "qr.svg"}
    assert all(link.endswith(f"/{form}") for each in links for form, link in each.items())
