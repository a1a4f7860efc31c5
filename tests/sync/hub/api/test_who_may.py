"""Who may call what: tokens, scopes, and that everything foreign does not exist (R004-21, R000-08)."""

import base64

import pytest
from fastapi.testclient import TestClient

from sync.hub.api.app import create_app
from sync.hub.api.tls_server import common_name
from sync.hub.instants import instant
from sync.hub.records.log_store import LogStore
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, TOWN

CLIENTS = """
[clients.desk]
service = "culture"
scopes = ["rooms", "facility"]
[clients.verger]
service = "culture"
owner = "parish"
scopes = ["reservations", "rooms", "facility", "records"]
[clients.sportdesk]
service = "sport"
scopes = ["reservations", "rooms", "facility", "records"]
"""


class Now:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def http(service, sessions, now):
    town = TOWN.replace('doors = ["b-1"]', 'doors = ["b-1"]\nowner = "parish"')
    service.apply(read_town(town + CLIENTS), NOW)
    return TestClient(create_app(service, LogStore(sessions), now=now))


class Callers:
    """Calls by clients of the town, each with its own secret."""

    def __init__(self, http: TestClient, secrets: dict[str, str]) -> None:
        self._http = http
        self.secrets = secrets

    def __call__(self, client: str, method: str, path: str, body=None):
        headers = {"Authorization": f"Bearer {self.secrets[client]}"}
        return self._http.request(method, path, json=body, headers=headers)


@pytest.fixture
def call(http, service):
    names = ("booking", "club", "desk", "verger", "sportdesk")
    return Callers(http, {name: service.new_token(name) for name in names})


def body(rooms=(ROOM_A,), **changes):
    return {
        "revision": 1,
        "state": "active",
        "rooms": list(rooms),
        "windows": [{"start": instant(NOW + HOUR), "end": instant(NOW + 2 * HOUR)}],
        "holder": {"ref": "h_7f3c9a", "kind": "association"},
        "reveal": "PT0M",
    } | changes


CLOSURE = {"room": ROOM_A, "start": instant(NOW + DAY), "end": instant(NOW + 2 * DAY)}


@pytest.mark.parametrize(
    ("method", "path", "allowed", "foreign"),
    [
        ("GET", "/v1/reservations/R-1", {"booking"}, {"club", "verger", "sportdesk"}),
        ("POST", "/v1/reservations/R-1/reveal", {"booking"}, {"club", "verger", "sportdesk"}),
        ("POST", "/v1/reservations/R-1/rotate", {"booking"}, {"club", "verger", "sportdesk"}),
        ("GET", f"/v1/rooms/{ROOM_A}/status", {"booking", "desk"}, {"club", "verger", "sportdesk"}),
        ("GET", f"/v1/rooms/{ROOM_A}/policies", {"booking", "desk"}, {"club", "verger", "sportdesk"}),
        ("GET", "/v1/rooms/B/status", {"booking", "desk", "verger"}, {"club", "sportdesk"}),
        ("GET", "/v1/doors/a-1/readiness", {"booking", "desk"}, {"club", "verger", "sportdesk"}),
        ("GET", "/v1/doors/gym-1/readiness", {"club", "sportdesk"}, {"booking", "desk", "verger"}),
        ("GET", "/v1/doors/front/readiness", {"booking", "club", "desk", "verger", "sportdesk"}, set()),
        ("GET", "/v1/closures/C-1", {"desk"}, {"verger", "sportdesk"}),
        ("GET", "/v1/exceptions", {"desk", "verger", "sportdesk"}, set()),
    ],
)
def test_the_role_matrix(call, method, path, allowed, foreign):
    """R004-21, R000-08, R002-07: owners get 200, strangers 404, and who has no scope 403."""
    assert call("booking", "PUT", "/v1/reservations/R-1", body()).status_code == 201
    assert call("desk", "PUT", "/v1/closures/C-1", CLOSURE).status_code == 201
    for client in call.secrets:
        answer = call(client, method, path)
        expected = 200 if client in allowed else 404 if client in foreign else 403
        assert answer.status_code == expected, (client, answer.text)


def test_the_same_reference_of_two_clients_is_two_grants(call):
    """R000-07."""
    one = call("booking", "PUT", "/v1/reservations/R-1", body()).json()
    two = call("club", "PUT", "/v1/reservations/R-1", body(["gym"])).json()
    assert one["grant"] != two["grant"]
    assert call("club", "PUT", "/v1/reservations/R-2", body()).json()["code"] == "unknown_room"
    assert call("club", "POST", "/v1/swaps", {"cancel": "R-9", "activate": body(["gym"], ref="R-3")}).status_code == 404


def test_nobody_deletes_what_is_not_theirs(call):
    call("desk", "PUT", "/v1/closures/C-1", CLOSURE)
    for client in ("verger", "sportdesk"):
        assert call(client, "DELETE", "/v1/closures/C-1").status_code == 404
    assert call("desk", "DELETE", "/v1/closures/C-1").status_code == 204
    made = call("booking", "POST", "/v1/subscriptions", {"url": "https://booking.example/hook"}).json()
    assert call("club", "DELETE", f"/v1/subscriptions/{made['id']}").status_code == 404
    (listed,) = call("booking", "GET", "/v1/subscriptions").json()["subscriptions"]
    assert (listed["state"], listed["secret"]) == ("ok", None)
    assert call("booking", "DELETE", f"/v1/subscriptions/{made['id']}").status_code == 204


def test_an_owner_reads_references_and_times_and_no_codes(call):
    """R000-08."""
    call("booking", "PUT", "/v1/reservations/R-1", body(["B"]))
    span = f"start={instant(NOW)}&end={instant(NOW + DAY)}"
    answer = call("verger", "GET", f"/v1/rooms/B/reservations?{span}")
    assert [each["reservation"] for each in answer.json()["reservations"]] == ["R-1"]
    assert "pin" not in answer.text
    assert call("verger", "PUT", "/v1/reservations/V-1", body(["B"])).json()["code"] == "not_owner"


def test_a_token_of_the_token_endpoint_is_good_for_an_hour(http, call, now):
    """R002-24: OAuth 2.0 client credentials, by form and by Basic, with fewer scopes on request."""
    secret = call.secrets["booking"]
    form = {"grant_type": "client_credentials", "client_id": "booking", "client_secret": secret}
    got = http.post("/oauth2/token", data=form | {"scope": "reservations"})
    assert (got.status_code, got.headers["cache-control"]) == (200, "no-store")
    assert (got.json()["token_type"], got.json()["expires_in"]) == ("Bearer", 3600)
    bearer = {"Authorization": f"Bearer {got.json()['access_token']}"}
    assert http.put("/v1/reservations/R-1", json=body(), headers=bearer).status_code == 201
    now.at += 3_600
    assert http.get("/v1/reservations/R-1", headers=bearer).json()["code"] == "unauthorised"
    basic = base64.b64encode(f"booking:{secret}".encode()).decode()
    by_header = {"Authorization": f"Basic {basic}"}
    again = http.post("/oauth2/token", data={"grant_type": "client_credentials"}, headers=by_header)
    assert again.json()["scope"] == "records reservations"


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        ("unsupported_grant_type", {"grant_type": "password"}),
        ("invalid_request", {"grant_type": None}),
        ("invalid_client", {"client_secret": "booking.guess"}),
        ("invalid_client", {"client_id": "club"}),
        ("invalid_scope", {"scope": "facility"}),
    ],
)
def test_tokens_that_are_not_granted(http, call, error, changes):
    form = {"grant_type": "client_credentials", "client_id": "booking", "client_secret": call.secrets["booking"]}
    asked = {name: value for name, value in (form | changes).items() if value is not None}
    answer = http.post("/oauth2/token", data=asked)
    assert answer.json()["error"] == error
    assert answer.status_code == (401 if error == "invalid_client" else 400)


def test_a_form_of_very_many_fields_is_an_answer(http):
    answer = http.post("/oauth2/token", data={f"field-{number}": "x" for number in range(30)})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_new_secret_ends_every_token(http, call, service):
    form = {"grant_type": "client_credentials", "client_id": "booking", "client_secret": call.secrets["booking"]}
    token = http.post("/oauth2/token", data=form).json()["access_token"]
    service.new_token("booking")
    assert http.get("/v1/reservations/R-1", headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        ({"subject": ((("organizationName", "Town"),), (("commonName", "booking"),))}, "booking"),
        ({"subject": ((("commonName", "a"),), (("commonName", "b"),))}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_name_in_a_certificate(certificate, name):
    assert common_name(certificate) == name


def test_figures_name_nobody(http, call):
    call("booking", "PUT", "/v1/reservations/R-1", body())
    text = http.get("/metrics").text
    assert 'zaalsleutel_http_requests_total{method="PUT",status="201"} 1' in text
    assert 'zaalsleutel_door_ready{door="a-1"} 0' in text
    assert "zaalsleutel_grants 1" in text
    assert "R-1" not in text
    assert "h_7f3c9a" not in text
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0
