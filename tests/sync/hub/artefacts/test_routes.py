"""Artefacts over HTTP: of one's own reservations, once they may be shown, each one noted."""

import cv2
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from controller.camera.reader import read
from sync.hub.api.gate import Gate
from sync.hub.api.problems import install
from sync.hub.artefacts.desk import Desk
from sync.hub.artefacts.house_rules import HouseRules, RoomWords
from sync.hub.artefacts.routes import MEDIA_TYPES, artefact_routes
from sync.hub.store.models import ApiEntry
from tests.sync.hub.conftest import HOUR, NOW, ROOM_A, wish

RULES = HouseRules(rooms={ROOM_A: RoomWords("Feestzaal", {"nl": ("Verwarming op 1.",)})})
LATER = NOW + 30 * 24 * HOUR


class Clock:
    now = NOW


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def http(service, sessions, keyring, clock):
    app = FastAPI()
    install(app)
    app.include_router(artefact_routes(Desk(sessions, keyring, RULES), Gate(service, lambda: clock.now)))
    client = TestClient(app)
    client.headers["Authorization"] = f"Bearer {service.new_token('booking')}"
    return client


@pytest.fixture
def codes(service):
    """The credentials of R-1 by method."""
    answer, _ = service.put("booking", "R-1", wish(), NOW)
    return {"pin" if code.pin else "qr": code for code in answer.credentials}


def path(credential: str, artefact: str, ref="R-1") -> str:
    return f"/v1/reservations/{ref}/credentials/{credential}/{artefact}"


@pytest.mark.parametrize("artefact", MEDIA_TYPES)
@pytest.mark.parametrize("method", ["pin", "qr"])
def test_every_artefact_of_either_code(http, codes, artefact, method):
    answer = http.get(path(codes[method].id, artefact))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == MEDIA_TYPES[artefact]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content


def test_the_picture_is_the_pass_and_the_text_is_the_pin(http, codes):
    picture = cv2.imdecode(np.frombuffer(http.get(path(codes["pin"].id, "qr.png")).content, np.uint8), 0)
    assert picture is not None
    assert read(picture.astype(np.uint8)) == [codes["qr"].qr]
    told = http.get(path(codes["qr"].id, "sms.txt")).text
    assert told.replace(" ", "").endswith(codes["pin"].pin)


def test_room_time_and_leave_instructions_are_the_rooms_own(http, codes):
    told = http.get(path(codes["pin"].id, "sheet.txt")).text
    assert told.startswith("Uw toegang tot Feestzaal\n")
    # 03:34 UTC is 05:34 in Brussels; the door opens a quarter of an hour before.
    assert "dinsdag 14 juli 2026, 06:34 – 08:34 (de deur gaat open vanaf 06:19)" in told
    assert "- Verwarming op 1." in told


def test_another_language_can_be_asked_for(http, codes):
    assert http.get(path(codes["pin"].id, "sheet.txt?language=fr")).text.startswith("Votre accès à Feestzaal")
    assert http.get(path(codes["pin"].id, "sheet.txt?language=es")).status_code == 422


def test_each_answer_is_noted_as_a_reveal(http, codes, sessions):
    def noted() -> int:
        with sessions.begin() as session:
            return len(session.scalars(select(ApiEntry).where(ApiEntry.action == "revealed")).all())

    before = noted()
    http.get(path(codes["pin"].id, "sheet.pdf"))
    assert noted() == before + 1


def test_nothing_is_shown_before_the_reveal(http, service, clock):
    service.put("booking", "R-2", wish(start=LATER, until=LATER + HOUR, reveal_s=2 * 24 * HOUR), NOW)
    credential = service.get("booking", "R-2", NOW).credentials[0].id
    refused = http.get(path(credential, "sheet.txt", "R-2"))
    assert (refused.status_code, refused.json()["code"]) == (409, "not_yet")
    clock.now = LATER - 24 * HOUR
    assert http.get(path(credential, "sheet.txt", "R-2")).status_code == 200


def test_somebody_elses_reservation_does_not_exist(http, service, codes):
    http.headers["Authorization"] = f"Bearer {service.new_token('club')}"
    foreign, missing = http.get(path(codes["pin"].id, "sheet.txt")), http.get(path("c-none", "sheet.txt", "R-9"))
    assert (foreign.status_code, missing.status_code) == (404, 404)


def test_a_cancelled_or_finished_reservation_has_no_artefacts(http, service, codes, clock):
    credential = codes["pin"].id
    clock.now = NOW + 4 * HOUR
    assert http.get(path(credential, "sheet.txt")).status_code == 404
    clock.now = NOW
    service.put("booking", "R-1", wish(2, state="cancelled"), NOW)
    assert http.get(path(credential, "sheet.txt")).status_code == 404


def test_a_series_tells_what_is_still_to_come(http, service, clock):
    evenings = tuple((NOW + day * 24 * HOUR, NOW + day * 24 * HOUR + HOUR) for day in range(1, 4))
    answer, _ = service.put("booking", "R-5", wish(windows=evenings), NOW)
    clock.now = evenings[0][1]
    told = http.get(path(answer.credentials[0].id, "sms.txt", "R-5")).text
    assert "16/07/2026" in told
    assert "(+1)" in told


def test_a_reservation_without_a_pin_has_no_sms_and_one_without_qr_no_picture(http, service):
    for ref, method, artefact, start in (("R-3", "qr", "sms.txt", 5), ("R-4", "pin", "qr.svg", 8)):
        window = {"start": NOW + start * HOUR, "until": NOW + (start + 1) * HOUR}
        answer, _ = service.put("booking", ref, wish(methods=(method,), **window), NOW)
        refused = http.get(path(answer.credentials[0].id, artefact, ref))
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert http.get(path(answer.credentials[0].id, "sheet.pdf", ref)).status_code == 200
