"""Confirming over the API: by staff, of their own doors; and what both documents say of themselves."""

from __future__ import annotations

from functools import partial

import pytest
from fastapi.testclient import TestClient

from controller.formats.enrolment import Broker
from sync.hub.api.app import create_app
from sync.hub.api.routes_enrolment import enrolment_routes
from sync.hub.doors.enrol_desk import EnrolDesk, Place
from sync.hub.doors.enrol_server import create_doors_app
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.records.log_store import LogStore
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import NOW, TOWN
from tests.sync.hub.enrolling import HUB, Town, UnitAtTheDoor, make_town
from tests.sync.hub.enrolling import NOW as AT

CLIENTS = """
[clients.desk]
service = "culture"
scopes = ["facility"]
[clients.sportdesk]
service = "sport"
scopes = ["facility"]
"""


@pytest.fixture
def town(tmp_path):
    return Town(make_town(tmp_path / "enrolling"))


@pytest.fixture
def desk(service, sessions, town):
    """The desk of the service's own town, with the keys of another folder."""
    service.apply(read_town(TOWN + CLIENTS), NOW)
    place = Place(town.tls, lambda: LinkKeys.load(town.keys), TrustShelf(town.keys / TRUST), Broker(host="b", port=1))
    return EnrolDesk(sessions, service.bench.keyring, place)


@pytest.fixture
def confirm(service, sessions, desk):
    app = create_app(service, LogStore(sessions), now=lambda: NOW, more=[partial(enrolment_routes, service, desk)])
    http = TestClient(app)
    secrets = {name: service.new_token(name) for name in ("desk", "sportdesk", "booking")}

    def call(client: str, code: str, door: str = "a-1"):
        headers = {"Authorization": f"Bearer {secrets[client]}"}
        answer = http.post(f"/v1/doors/{door}/enrolment/confirm", json={"code": code}, headers=headers)
        return answer.status_code, answer.json().get("code") if answer.content else None

    return call


def test_staff_confirm_what_the_unit_shows(tmp_path, town, desk, confirm):
    assert confirm("desk", "1234") == (409, "nothing_to_confirm")
    unit = UnitAtTheDoor(tmp_path / "unit", town)
    unit.take(desk.enrol(unit.read(desk.invite("a-1", HUB, AT)), AT))
    wrong = "1111" if unit.code != "1111" else "2222"
    assert confirm("desk", wrong) == (409, "wrong_code")
    assert confirm("booking", unit.code) == (403, "not_owner")
    assert confirm("sportdesk", unit.code) == (404, "not_found"), "a foreign door does not exist"
    assert confirm("desk", "nonsense") == (422, "bad_request")
    assert confirm("desk", unit.code) == (204, None)


def test_what_the_doors_call_has_a_document_of_its_own(desk, town):
    document = create_doors_app(desk, town.shelf, lambda _now: None).openapi()
    assert set(document["paths"]) == {"/v1/trust/{name}", "/v1/enrolments", "/v1/renewals"}
    assert "clone_suspected" in str(document["paths"]["/v1/renewals"])
    assert "Problem" in document["components"]["schemas"]
