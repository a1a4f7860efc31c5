"""The API over HTTP: the worked example, every problem by its code, twenty callers for one slot, the event feed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from controller.formats.event import Event, Opening
from controller.formats.qr_pass import parse
from sync.hub.api.app import create_app
from sync.hub.api.problems import CODES, MEDIA_TYPE
from sync.hub.events.feed import RECORD_TYPES
from sync.hub.instants import instant
from sync.hub.records.log_tables import CURSOR
from tests.sync.hub.conftest import HOUR, NOW, ROOM_A


@dataclass
class Logged:
    cursor: int
    event: Event
    opening: Opening | None


class Feed:
    """The log store's reading side, over a list."""

    def __init__(self) -> None:
        self.records: list[Logged] = []

    def after(self, cursor, limit, doors):
        found = [each for each in self.records if each.cursor > cursor and each.event.door in doors]
        return found[:limit]


@pytest.fixture
def feed():
    return Feed()


@pytest.fixture
def http(service, feed):
    client = TestClient(create_app(service, feed, now=lambda: NOW))
    client.headers["Authorization"] = f"Bearer {service.new_token('booking')}"
    return client


def body(revision=1, start=NOW + HOUR, end=NOW + 3 * HOUR, **changes):
    return {
        "revision": revision,
        "state": "active",
        "category": "renter",
        "rooms": [ROOM_A],
        "windows": [{"start": instant(start), "end": instant(end)}],
        "holder": {"ref": "h_7f3c9a", "kind": "association"},
        "methods": ["pin", "qr"],
        "language": "nl",
        "correlation": {"dossier": "D-2026-1234"},
        "replaces": None,
    } | changes


def test_the_worked_example(http):
    local = {"start": "2026-07-14T10:00:00+02:00", "end": "2026-07-14T12:00:00+02:00"}
    answer = http.put("/v1/reservations/MOR-2026-004711", json=body(windows=[local]))
    assert answer.status_code == 201
    told = answer.json()
    assert told["state"] == "active"
    assert {
        "room": ROOM_A,
        "door": "a-1",
        "from": "2026-07-14T07:45:00Z",
        "until": "2026-07-14T10:15:00Z",
        "clipped": False,
    } in told["openings"]
    pins = [each["pin"] for each in told["credentials"] if each["pin"]]
    qrs = [each["qr"] for each in told["credentials"] if each["qr"]]
    assert (len(pins), len(pins[0]), parse(qrs[0]).tag_count) == (1, 7, 2)
    assert told["delivery"] == [
        {"door": "a-1", "status": "queued", "opens_by": [], "live_until": None},
        {"door": "front", "status": "queued", "opens_by": [], "live_until": None},
    ]
    assert http.put("/v1/reservations/MOR-2026-004711", json=body(windows=[local])).status_code == 200
    seen = http.get("/v1/reservations/MOR-2026-004711").json()
    assert all(each["pin"] is each["qr"] is None for each in seen["credentials"])
    assert seen["openings"] == told["openings"]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad_request", {"pin": "482913"}),
        ("bad_request", {"name": "Jan"}),
        ("bad_request", {"windows": [{"start": "2026-07-14T10:00:00", "end": "2026-07-14T12:00:00"}]}),
        ("bad_request", {"windows": [{"start": "2026-07-14T10:00:30Z", "end": "2026-07-14T12:00:00Z"}]}),
        ("bad_request", {"windows": [{"start": "2026-07-14T12:00:00Z", "end": "2026-07-14T12:00:00Z"}]}),
        ("bad_request", {"revision": "1"}),
        ("bad_request", {"reveal": "two days"}),
        ("window_required", {"windows": []}),
        ("too_far_ahead", {"windows": [{"start": "2029-07-14T10:00:00Z", "end": "2029-07-14T12:00:00Z"}]}),
        ("unknown_room", {"rooms": ["gym"]}),
        ("personal_data_refused", {"holder": {"ref": "85.07.30-033.28", "kind": "person"}}),
        ("personal_data_refused", {"holder": {"ref": "jan@example.be", "kind": "person"}}),
        ("personal_data_refused", {"correlation": {"contact": "0470 12 34 56"}}),
        ("personal_data_refused", {"correlation": {"contact": "+32 3 444 18 16"}}),
    ],
)
def test_problems_have_a_stable_code(http, code, changes):
    answer = http.put("/v1/reservations/R-1", json=body(**changes))
    assert (answer.json()["code"], answer.status_code) == (code, CODES[code][0])
    assert answer.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize(
    ("changes", "where", "one"),
    [
        ({"state": "x"}, "state", "suspended"),
        ({"methods": ["x"]}, "methods.0", "qr"),
        ({"holder": {"ref": "a", "kind": "x"}}, "holder.kind", "association"),
    ],
)
def test_a_word_that_is_none_is_told_those_there_are(http, changes, where, one):
    told = http.put("/v1/reservations/R-1", json=body(**changes)).json()
    assert (told["where"], one in told["detail"]) == (where, True)


@pytest.mark.parametrize("at", ["2010-01-01T00:00:00Z", "monday", "1789000000", "2026-07-14T10:00:00"])
def test_an_instant_that_is_none_names_its_place(http, at):
    http.put("/v1/reservations/R-1", json=body())
    answer = http.get(f"/v1/rooms/{ROOM_A}/policies", params={"at": at})
    assert (answer.status_code, answer.json()["where"]) == (422, "at")


def test_a_problem_never_repeats_what_was_sent(http):
    answer = http.put("/v1/reservations/R-1", json=body(pin="482913", holder={"ref": "85.07.30-033.28", "kind": "x"}))
    assert "482913" not in answer.text
    assert "033" not in answer.text


def test_overlap_names_the_reservation_in_the_way(http):
    http.put("/v1/reservations/R-1", json=body())
    answer = http.put("/v1/reservations/R-2", json=body())
    assert (answer.status_code, answer.json()["code"], answer.json()["reservation"]) == (409, "overlap", "R-1")
    stale = http.put("/v1/reservations/R-1", json=body(language="fr"))
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_revision")


def test_only_known_clients_with_the_scope_get_in(http, service):
    assert http.get("/v1/reservations/R-1", headers={"Authorization": "Bearer booking.x"}).status_code == 401
    assert http.get("/v1/reservations/R-1", headers={"Authorization": "Basic eA=="}).json()["code"] == "unauthorised"
    club = {"Authorization": f"Bearer {service.new_token('club')}"}
    http.put("/v1/reservations/R-1", json=body())
    assert http.get("/v1/reservations/R-1", headers=club).json()["code"] == "not_found"
    refused = http.get("/v1/exceptions", headers=club)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_owner")


def test_bodies_over_1_mib_and_unknown_places(http):
    answer = http.put("/v1/reservations/R-1", content=b" " * ((1 << 20) + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert http.put("/v1/reservations/R-1", content=b"{").json()["code"] == "bad_request"
    assert http.get("/v1/nowhere").json()["code"] == "not_found"
    assert http.delete("/v1/reservations/R-1").headers["content-type"] == MEDIA_TYPE
    assert http.get("/healthz").json() == {"status": "ok"}


def test_twenty_callers_for_one_slot(http):
    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda n: http.put(f"/v1/reservations/R-{n}", json=body()), range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 19


def test_the_feed_names_the_callers_own_reservations(http, feed, sessions):
    grant = http.put("/v1/reservations/R-1", json=body()).json()["grant"]
    own = http.get("/v1/events").json()
    assert [each["type"] for each in own["events"]] == ["grant.activated", "credential.ready"]
    assert {each["reservation"] for each in own["events"]} == {"R-1"}
    for cursor, door in ((101, "a-1"), (102, "gym-1"), (103, "front")):
        event = Event(
            door=door,
            log="0" * 16,
            seq=cursor,
            at=NOW * 1000 + 250,
            clock="synced",
            kind="granted",
            credential="pin",
            detail={},
        )
        feed.records.append(Logged(cursor, event, Opening(nonce="0" * 32, grant=grant, credential="c-1")))
    with sessions.begin() as session:
        session.execute(update(CURSOR).values(last=103))
    page = http.get("/v1/events", params={"after": own["next"], "limit": 1}).json()
    assert [(each["type"], each["reservation"], each["door"]) for each in page["events"]] == [
        ("access.granted", "R-1", "a-1")
    ]
    rest = http.get("/v1/events", params={"after": page["next"]}).json()
    assert [each["door"] for each in rest["events"]] == ["front"]
    assert rest["next"] == 103
    assert http.get("/v1/events", params={"after": 103}).json() == {"events": [], "next": 103}
    only = http.get("/v1/events", params={"types": ["access.*", "grant.activated"]}).json()
    assert [each["type"] for each in only["events"]] == ["grant.activated", "access.granted", "access.granted"]


def test_an_unknown_type_of_event_is_refused_with_those_there_are(http):
    wanted = {"url": "https://booking.example/hooks", "types": ["access.*", "acces.granted"]}
    for answer in (http.post("/v1/subscriptions", json=wanted), http.get("/v1/events", params=wanted)):
        told = answer.json()
        assert (answer.status_code, told["code"], told["where"]) == (422, "bad_request", "types.1")
        assert all(word in told["detail"] for word in ("access.granted", "access.*", "grant.activated", "fault.raised"))
        assert "acces." not in told["detail"]


def test_every_event_kind_has_a_name():
    from controller.formats.event import EVENT_KINDS

    assert set(RECORD_TYPES) == set(EVENT_KINDS)


def test_the_document_is_complete(http):
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    put = document["paths"]["/v1/reservations/{ref}"]["put"]["responses"]
    assert {"200", "201", "401", "403", "404", "409", "413", "422", "503"} <= set(put)
    for status, answer in put.items():
        if int(status) >= 400:
            assert answer["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "Problem" in document["components"]["schemas"]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


BODY = b'{"revision":1,"state":"pending","rooms":[],"windows":[],"holder":{"ref":"h","kind":"person"}}'


@pytest.mark.parametrize(
    "body",
    [
        *(BODY[:-1] + b',"state":"active"}', BODY[:-1] + b',"st\\u0061te":"active"}', b"[" * 9_999, BODY + b"x"),
        *(BODY.replace(b"1", b"NaN"), BODY.replace(b"1", b"9" * 5_000), BODY.decode().encode("utf-16"), b"\xff"),
    ],
    ids=["twice", "twice, escaped", "deep", "more", "NaN", "digits", "UTF-16", "no text"],
)
def test_a_body_that_is_not_read_alike_by_all_is_refused(http, body):
    said = http.put("/v1/reservations/R-1", content=body, headers={"content-type": "application/json; charset=utf-8"})
    assert (said.status_code, said.json()["code"], said.json()["where"]) == (422, "bad_request", "body")


@pytest.mark.parametrize("media_type", ["application/ld+json", "Application/X+JSON; charset=utf-8"])
def test_json_by_another_name_is_read_as_strictly(http, media_type):
    body = BODY[:-1] + b',"state":"active"}'
    said = http.put("/v1/reservations/R-1", content=body, headers={"content-type": media_type})
    assert (said.status_code, said.json()["detail"]) == (422, "a member name occurs twice")


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/xml"}])
def test_a_body_that_is_not_sent_as_json_is_told_so(http, headers):
    said = http.put("/v1/reservations/R-1", content=BODY, headers=headers)
    assert (said.status_code, said.json()["where"]) == (422, "body")
    assert "Content-Type: application/json" in said.json()["detail"]


def test_every_answer_that_is_none_is_a_problem(http):
    said = http.patch("/v1/reservations/R-1")
    assert (said.status_code, said.headers["content-type"]) == (405, MEDIA_TYPE)
    assert {"code", "detail", "status", "title", "type"} <= set(said.json())


@pytest.mark.parametrize("start", [1_900_000_800, 1_900_000_800.0, "1900000800", "2030-03-17", True, None])
def test_an_instant_is_written_out(http, start):
    window = {"start": start, "end": "2030-03-17T20:00:00Z"}
    holder = {"ref": "h", "kind": "person"}
    body = {"revision": 1, "state": "active", "rooms": ["r"], "windows": [window], "holder": holder}
    said = http.put("/v1/reservations/R-1", json=body)
    assert (said.status_code, said.json()["where"]) == (422, "windows.0.start")
