"""Webhooks: a proof and a number, the rest is fetched; repeated, late and forged calls do no harm."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.formats.errors import Refused
from sync.hub.adapters.fetch import Fetcher
from sync.hub.adapters.hook import Hook, pick, picked
from sync.hub.adapters.places import places_of
from sync.hub.adapters.settings import Fields, HookPlan, OAuth
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A

SECRET = "correct horse"
FIELDS = Fields(
    state="data.status", room="data.objects[].id", start="data.start", end="data.end", holder="data.customer",
    sequence="data.updated_at", replaces="data.moved_from",
)  # fmt: skip


@pytest.fixture
def secret_file(tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    return tmp_path / "secret"


@pytest.fixture
def plan(foreign, secret_file):
    return HookPlan(
        client="booking",
        proof="token",
        header="X-Hook-Token",
        secret_file=secret_file,
        id="booking.id",
        fetch=foreign.url + "/v2/bookings/{id}",
        fields=FIELDS,
        states={"confirmed": "active", "option": "pending", "cancelled": "cancelled"},
        rooms={"17": ROOM_A},
    )


@pytest.fixture
def hook(plan, intake, sessions):
    mine = replace(intake, source="i-reserve")
    return Hook("i-reserve", plan, mine, Fetcher(), lambda: places_of(sessions, plan.rooms))


def booking(status="confirmed", start=NOW + DAY, room=17, updated=1, **changes) -> str:
    def local(at: int) -> str:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")  # UTC without saying so, as i-Reserve does

    data = {"status": status, "objects": [{"id": room}], "start": local(start), "end": local(start + HOUR)}
    return json.dumps({"data": data | {"customer": 4711, "updated_at": updated} | changes})


def called(hook, number=12, proof=SECRET, **body):
    message = json.dumps({"event": "booking_created", "booking": {"id": number}, **body}).encode()
    return hook.called({"x-hook-token": proof}, message, NOW)


def test_a_call_makes_the_hub_fetch_what_holds(hook, foreign, service, intake):
    foreign.put("/v2/bookings/12", booking())
    outcome = called(hook, status="cancelled", start="1999-01-01")
    assert (outcome.result, outcome.ref) == ("created", "i-reserve-12")
    answer = service.get("booking", "i-reserve-12", NOW)
    assert {opening.start for opening in answer.openings} == {NOW + DAY - 900}
    assert intake.held()["i-reserve-12"].holder["ref"] == "4711"


def test_a_broken_answer_is_the_products_and_a_list_that_is_none_holds_nothing(hook, foreign):
    foreign.put("/v2/bookings/12", booking(room="\ud800"))
    with pytest.raises(Refused, match="upstream_failed"):
        called(hook)
    foreign.put("/v2/bookings/12", booking(objects=17))
    assert called(hook).result == "refused"


def test_repeated_and_late_calls_do_no_harm(hook, foreign, service):
    foreign.put("/v2/bookings/12", booking())
    assert [called(hook).result for _ in range(3)] == ["created", "unchanged", "unchanged"]
    foreign.put("/v2/bookings/12", booking("cancelled", updated=2))
    assert called(hook).result == "changed"
    # The message "created" arrives once more, after the one about the cancellation.
    assert called(hook).result == "unchanged"
    assert service.get("booking", "i-reserve-12", NOW).state == "cancelled"


def test_an_answer_from_an_outdated_cache_is_left_out(hook, foreign):
    foreign.put("/v2/bookings/12", booking(updated="2026-07-14T10:00:00Z"))
    called(hook)
    foreign.put("/v2/bookings/12", booking(start=NOW + 2 * DAY, updated="2026-07-14T09:00:00Z"))
    assert called(hook).result == "older"


@pytest.mark.parametrize("told_first", ["new", "old"])
def test_a_move_made_of_a_cancellation_and_a_new_one_keeps_the_code(hook, foreign, service, told_first):
    foreign.put("/v2/bookings/12", booking())
    called(hook)
    before = {code.pin for code in service.reveal("booking", "i-reserve-12", NOW).credentials if code.pin}
    foreign.put("/v2/bookings/12", booking("cancelled", updated=2))
    foreign.put("/v2/bookings/13", booking(start=NOW + DAY + 1_800, moved_from=12))
    outcomes = [called(hook, number).result for number in ((13, 12) if told_first == "new" else (12, 13))]
    assert outcomes == (["created", "unchanged"] if told_first == "new" else ["changed", "created"])
    after = {code.pin for code in service.reveal("booking", "i-reserve-13", NOW).credentials if code.pin}
    assert after == before
    assert service.get("booking", "i-reserve-12", NOW).state == "cancelled"
    assert called(hook, 13).result == "unchanged"
    foreign.put("/v2/bookings/13", booking(start=NOW + DAY + 3_600, moved_from=12, updated=2))
    assert called(hook, 13).result == "changed"


def test_a_move_from_a_reservation_never_heard_of_is_a_new_one(hook, foreign):
    foreign.put("/v2/bookings/13", booking(moved_from=12))
    assert [called(hook, 13).result for _ in range(2)] == ["created", "unchanged"]


@pytest.mark.parametrize("proof", ["", "wrong", SECRET[:-1], SECRET + " "])
def test_whoever_does_not_know_the_secret_triggers_nothing(hook, foreign, proof):
    with pytest.raises(Refused, match="unauthorised"):
        called(hook, proof=proof)
    assert foreign.asked == []


@pytest.mark.parametrize("spelling", ["{}", "sha256={}"])
def test_a_signature_over_the_body(hook, plan, foreign, spelling):
    hook.plan = replace_plan(plan, proof="hmac-sha256")
    foreign.put("/v2/bookings/12", booking())
    body = b'{"booking": {"id": "12"}}'
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert hook.called({"x-hook-token": spelling.format(signature)}, body, NOW).result == "created"
    with pytest.raises(Refused, match="unauthorised"):
        hook.called({"x-hook-token": spelling.format(signature)}, body + b" ", NOW)


@pytest.mark.parametrize("number", ["../../admin", "12/../13", "", "a b", "x" * 65, None, ["12"], "12?x=1", "12%2f"])
def test_only_a_plain_number_gets_into_the_address(hook, foreign, number):
    with pytest.raises(Refused, match="bad_request"):
        called(hook, number=number)
    assert foreign.asked == []


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b"[" * 100_000])
def test_a_body_that_is_no_message_is_refused(hook, body):
    with pytest.raises(Refused, match="bad_request"):
        hook.called({"x-hook-token": SECRET}, body, NOW)


@pytest.mark.parametrize(("status", "body"), [(500, ""), (302, ""), (401, ""), (200, "no json")])
def test_when_the_product_does_not_answer_it_should_call_again(hook, foreign, status, body):
    foreign.put("/v2/bookings/12", body, status=status)
    with pytest.raises(Refused, match="upstream_failed"):
        called(hook)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "paid"}, "bad_request"),
        ({"room": 99}, "unknown_room"),
        ({"end": None}, "window_required"),
        ({"start_at": 1, "customer": "an@example.org"}, None),
        ({"customer": "Véronique"}, None),
    ],
)
def test_what_cannot_be_taken_over_is_named(hook, foreign, changes, code):
    foreign.put("/v2/bookings/12", booking(**changes))
    outcome = called(hook)
    assert outcome.where == "reservation 12"
    assert outcome.code == code


def test_an_address_as_customer_is_kept_as_a_digest(hook, foreign, intake):
    foreign.put("/v2/bookings/12", booking(customer="an@example.org"))
    called(hook)
    assert intake.held()["i-reserve-12"].holder["ref"].startswith("h-")


def test_a_reservation_the_product_no_longer_knows(hook, plan, foreign, service):
    assert called(hook).result == "over"
    foreign.put("/v2/bookings/12", booking())
    called(hook)
    foreign.pages.clear()
    assert called(hook).code == "upstream_gone"
    assert service.get("booking", "i-reserve-12", NOW).state == "active"
    hook.plan = replace_plan(plan, gone="cancel")
    assert called(hook).result == "changed"
    assert service.get("booking", "i-reserve-12", NOW).state == "cancelled"


def test_a_token_is_fetched_with_client_credentials_and_kept(hook, plan, foreign, tmp_path):
    (tmp_path / "oauth").write_text("s3cret")
    oauth = OAuth(token_url=foreign.url + "/token", client_id="hub", secret_file=tmp_path / "oauth")
    hook.plan = replace_plan(plan, oauth=oauth)
    foreign.put("/v2/bookings/12", booking())
    assert [called(hook).result for _ in range(2)] == ["created", "unchanged"]
    assert foreign.tokens_given == 1
    foreign.token = "another"  # theirs was restarted and has forgotten every token
    with pytest.raises(Refused, match="upstream_failed"):
        called(hook)
    assert called(hook).result == "unchanged"
    assert foreign.tokens_given == 2


def test_paths_into_a_document():
    document = {"a": {"b": [{"c": 1}, {"c": 2}, {}]}, "n": None}
    assert picked(document, "a.b[].c") == [1, 2]
    assert picked(document, "a.x.y") == picked(document, "n") == picked([], "a") == []
    with pytest.raises(Refused, match="more than once"):
        pick(document, "a.b[].c")


def replace_plan(plan: HookPlan, **changes) -> HookPlan:
    return HookPlan(**{name: getattr(plan, name) for name in plan.__struct_fields__} | changes)
