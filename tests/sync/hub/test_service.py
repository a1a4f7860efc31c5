"""Reservations against a real database: the lists they make, delivery, codes, and time passing."""

import pytest
from sqlalchemy import select

from controller.formats import pin, qr_pass
from controller.formats.encoding import unb64
from controller.formats.errors import Refused
from sync.hub.booking.reservations import Overlap
from sync.hub.store.models import ApiEntry, Credential, Grant, Verifier
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, TOWN, codes_of, report, wish


def test_one_code_opens_the_entrance_and_the_rooms_and_nothing_else(service, list_of):
    answer, created = service.put("booking", "R-1", wish(rooms=(ROOM_A, "B")), NOW)
    assert created
    clear, qr = codes_of(answer)
    for door in ("front", "a-1", "b-1"):
        code_list = list_of(door)
        (grant,) = code_list.grants
        assert grant.id == answer.grant
        assert grant.windows == ((NOW + HOUR - 900, NOW + 3 * HOUR + 900),)
        assert grant.pins[0].verifier == pin.derive(clear, code_list.pin_kdf)
        assert grant.qrs[0].hash == qr_pass.parse(qr).list_hash
    assert list_of("gym-1").grants == ()


def test_the_pass_stands_alone_under_the_groups_keys_only(service, list_of):
    answer, _ = service.put("booking", "R-1", wish(), NOW)
    made = qr_pass.parse(codes_of(answer)[1])
    keys = {door: [unb64(each.key, "") for each in list_of(door).pass_keys] for door in ("front", "a-1", "b-1")}
    assert made.may_stand_alone
    assert [made.tagged_by(keys[door]) for door in ("front", "a-1", "b-1")] == [True, True, False]
    assert made.number < list_of("a-1").version
    assert f"p-{made.credential}" == answer.grant
    assert (made.start_s, made.until_s) == (NOW + HOUR - 900, NOW + 3 * HOUR + 900)


@pytest.mark.parametrize(
    "changes",
    [
        {"start": NOW + 8 * DAY, "until": NOW + 8 * DAY + HOUR},
        {"until": NOW + 2 * DAY},
        {"windows": ((NOW + 8 * DAY, NOW + 8 * DAY + HOUR), (NOW + 9 * DAY, NOW + 9 * DAY + HOUR))},
        {"max_uses": 1},
    ],
)
def test_a_pass_that_a_list_reaches_in_time_never_stands_alone(service, changes):
    made = qr_pass.parse(codes_of(service.put("booking", "R-1", wish(**changes), NOW)[0])[1])
    assert (made.tag_count, made.may_stand_alone) == (0, False)


@pytest.mark.parametrize("past", [(), ((NOW - 7 * DAY, NOW - 7 * DAY + HOUR),)])
def test_the_pass_of_a_series_is_for_its_next_evening_alone(service, list_of, past):
    """Booked minutes before it begins, at a door without network: the QR opens the first time, the list the others."""
    evenings = tuple((NOW + week * 7 * DAY + HOUR, NOW + week * 7 * DAY + 3 * HOUR) for week in range(3))
    answer, _ = service.put("booking", "R-1", wish(windows=(*past, *evenings)), NOW)
    made = qr_pass.parse(codes_of(answer)[1])
    assert (made.may_stand_alone, made.tag_count) == (True, 2)
    assert (made.start_s, made.until_s) == (NOW + HOUR - 900, NOW + 3 * HOUR + 900)
    (grant,) = list_of("a-1").grants
    assert [each.hash for each in grant.qrs] == [made.list_hash]
    assert len(grant.windows) == 3


def test_the_pass_of_a_series_stays_out_of_a_neighbours_time(service):
    """R002-01: it is no wider than the list would be, at the narrowest of its doors."""
    service.put("booking", "R-1", wish(start=NOW + 3 * HOUR, until=NOW + 4 * HOUR), NOW)
    evenings = ((NOW + HOUR, NOW + 3 * HOUR), (NOW + DAY, NOW + DAY + HOUR))
    made = qr_pass.parse(codes_of(service.put("booking", "R-2", wish(windows=evenings), NOW)[0])[1])
    assert (made.start_s, made.until_s) == (NOW + HOUR - 900, NOW + 3 * HOUR)


def test_repeats_change_nothing_and_older_words_are_stale(service, broker):
    first, _ = service.put("booking", "R-1", wish(2), NOW)
    broker.take()
    again, created = service.put("booking", "R-1", wish(2), NOW + 5)
    assert (again.credentials, created) == (first.credentials, False)
    assert broker.take() == []
    for revision, until in ((2, NOW + 4 * HOUR), (1, NOW + 3 * HOUR)):
        with pytest.raises(Refused) as refused:
            service.put("booking", "R-1", wish(revision, until=until), NOW)
        assert refused.value.code == "stale_revision"


def test_a_change_keeps_the_code_and_moves_the_window(service, list_of):
    before, _ = service.put("booking", "R-1", wish(1), NOW)
    after, _ = service.put("booking", "R-1", wish(2, rooms=("B",), start=NOW + 5 * HOUR, until=NOW + 6 * HOUR), NOW)
    assert codes_of(after) == codes_of(before)
    assert list_of("a-1").grants == ()
    assert list_of("a-1").shrink
    (grant,) = list_of("b-1").grants
    assert grant.pins[0].verifier == pin.derive(codes_of(before)[0], list_of("b-1").pin_kdf)


def test_suspended_travels_cancelled_leaves_and_pending_has_no_code(service, list_of):
    pending, _ = service.put("booking", "R-1", wish(1, state="pending"), NOW)
    assert (pending.credentials, pending.openings, list_of("a-1").grants) == ((), (), ())
    active, _ = service.put("booking", "R-1", wish(2), NOW)
    service.put("booking", "R-1", wish(3, state="suspended"), NOW)
    assert [grant.active for grant in list_of("a-1").grants] == [False]
    resumed, _ = service.put("booking", "R-1", wish(4), NOW)
    assert codes_of(resumed) == codes_of(active)
    service.put("booking", "R-1", wish(5, state="cancelled", rooms=(), windows=()), NOW)
    assert list_of("a-1").grants == ()
    with pytest.raises(Refused, match="stays cancelled"):
        service.put("booking", "R-1", wish(6), NOW)


def test_a_method_given_up_no_longer_opens(service, list_of):
    service.put("booking", "R-1", wish(), NOW)
    only_qr, _ = service.put("booking", "R-1", wish(2, methods=("qr",)), NOW)
    assert [each.pin for each in only_qr.credentials] == [None]
    assert [(len(grant.pins), len(grant.qrs)) for grant in list_of("a-1").grants] == [(0, 1)]


def test_a_cancellation_gets_through_when_the_room_is_gone(service):
    service.put("booking", "R-1", wish(rooms=("B",)), NOW)
    answer, _ = service.put("booking", "R-1", wish(2, rooms=("gone",), state="cancelled"), NOW)
    assert (answer.state, answer.openings) == ("cancelled", ())


def test_two_renters_never_hold_one_room(service):
    service.put("booking", "R-1", wish(), NOW)
    with pytest.raises(Overlap) as refused:
        service.put("booking", "R-2", wish(start=NOW + 2 * HOUR, until=NOW + 4 * HOUR), NOW)
    assert (refused.value.code, refused.value.reservation) == ("overlap", "R-1")
    with pytest.raises(Refused, match="not_found"):
        service.get("booking", "R-2", NOW)
    service.put("booking", "R-3", wish(rooms=("B",)), NOW)
    service.put("booking", "R-4", wish(kind="cleaning", methods=("pin",)), NOW)
    service.put("booking", "R-1", wish(2, state="cancelled"), NOW)
    service.put("booking", "R-2", wish(), NOW)


def test_neighbours_are_clipped_in_the_list_of_the_earlier_one_too(service, list_of):
    service.put("booking", "R-1", wish(), NOW)
    late, _ = service.put("booking", "R-2", wish(start=NOW + 3 * HOUR, until=NOW + 4 * HOUR), NOW)
    windows = sorted(window for grant in list_of("a-1").grants for window in grant.windows)
    assert windows[0][1] == windows[1][0] == NOW + 3 * HOUR
    assert {(each.door, each.clipped) for each in late.openings} == {("a-1", True), ("front", False)}


def test_a_replacing_reservation_takes_place_and_code(service, list_of):
    old, _ = service.put("booking", "R-1", wish(), NOW)
    new, _ = service.put("booking", "R-2", wish(replaces="R-1"), NOW)
    assert codes_of(new) == codes_of(old)
    assert [grant.id for grant in list_of("a-1").grants] == [new.grant]
    assert service.get("booking", "R-1", NOW).state == "cancelled"


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("unknown_room", {"rooms": ("gym",)}),
        ("window_required", {"windows": ()}),
        ("too_far_ahead", {"until": NOW + 800 * DAY}),
        ("bad_request", {"windows": ((NOW, NOW + 9), (NOW + 5, NOW + 10))}),
        ("bad_request", {"rooms": ("B", "B")}),
        ("not_found", {"replaces": "R-0"}),
    ],
)
def test_refusals(service, code, changes):
    with pytest.raises(Refused) as refused:
        service.put("booking", "R-1", wish(**changes), NOW)
    assert refused.value.code == code


def test_delivery_follows_what_the_door_reports(service, list_of):
    service.put("booking", "R-1", wish(), NOW)
    assert service.get("booking", "R-1", NOW).delivery == {"a-1": "queued", "front": "queued"}
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW)
    assert service.get("booking", "R-1", NOW).delivery == {"a-1": "applied", "front": "queued"}
    far, _ = service.put("booking", "R-9", wish(start=NOW + 60 * DAY, until=NOW + 60 * DAY + HOUR), NOW)
    assert set(far.delivery.values()) == {"queued"}


def test_numbers_pass_what_any_door_reports_but_not_what_none_can_have(service, list_of):
    service.door_reported("b-1", report("b-1", NOW + 1_000), NOW)
    service.put("booking", "R-1", wish(), NOW)
    assert list_of("a-1").version > NOW + 1_000
    with pytest.raises(Refused, match="number_ahead"):
        service.door_reported("b-1", report("b-1", (1 << 32) - 1), NOW)


def test_reports_of_one_turn_are_taken_together_and_a_bad_one_alone_is_refused(service, list_of):
    answer, _ = service.put("booking", "R-1", wish(), NOW)
    version = list_of("a-1").version
    told = [report("a-1", version - 1), report("nowhere", 1), report("front", (1 << 32) - 1), report("a-1", version)]
    assert [each.code for each in service.doors_reported(told, NOW)] == ["not_found", "number_ahead"]
    assert service.get("booking", "R-1", NOW).delivery == {"a-1": "applied", "front": "queued"}
    assert answer.delivery == {"a-1": "queued", "front": "queued"}


def test_lists_that_wait_go_out_a_few_at_a_time_and_in_turn(service, broker, monkeypatch):
    """A turn that published to thousands of doors would not hear for minutes that they have their lists."""
    monkeypatch.setattr("sync.hub.upkeep.BEHIND_DOORS", 3)
    broker.take()
    service.due(NOW + 61)
    first = broker.take()
    service.due(NOW + 62)
    assert len(first) == 3
    assert sorted({*first, *broker.take()}) == [f"zs/1/{door}/list" for door in ("a-1", "b-1", "front", "gym-1")]


def test_only_changed_lists_are_published_and_all_are_refreshed_after_a_day(service, broker, list_of):
    service.put("booking", "R-1", wish(rooms=("B",)), NOW)
    assert sorted(broker.take()) == ["zs/1/b-1/list", "zs/1/front/list"]
    for door in ("front", "a-1", "b-1", "gym-1"):
        service.door_reported(door, report(door, list_of(door).version), NOW)
    service.due(NOW + HOUR)
    assert broker.take() == []
    # It lost the file: what it names is only the number that it does not go behind.
    service.door_reported("a-1", report("a-1", list_of("a-1").version, list_hash=None), NOW + HOUR)
    service.due(NOW + HOUR + 1)
    assert broker.take() == ["zs/1/a-1/list"]
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + HOUR)
    service.due(NOW + DAY)
    assert len(broker.take()) == 4
    service.due(NOW + DAY + 30)
    assert broker.take() == []
    service.due(NOW + DAY + 60)
    assert len(broker.take()) == 4


def test_a_door_without_a_list_that_had_a_higher_number_gets_one_it_can_take(service, broker, list_of):
    """The hub fell back to a backup and the door lost its file: what the hub has to offer, the door may not take."""
    before = list_of("a-1").version
    broker.take()
    service.door_reported("a-1", report("a-1", before + 1_000), NOW + 1)
    service.due(NOW + 1)
    assert list_of("a-1").version == before  # it has what it had before, and keeps it until there is something new
    service.door_reported("a-1", report("a-1", before + 1_000, list_hash=None), NOW + 20)
    service.due(NOW + 20)
    assert broker.take() == ["zs/1/a-1/list"]
    assert list_of("a-1").version > before + 1_000
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW + 21)
    service.due(NOW + 21)
    assert broker.take() == []


def test_a_list_that_the_broker_did_not_take_is_due_at_once(service, broker):
    broker.there = False
    service.put("booking", "R-1", wish(rooms=("B",)), NOW)
    broker.there = True
    service.due(NOW + 1)
    assert {"zs/1/b-1/list", "zs/1/front/list"} <= set(broker.take())


def test_a_far_reservation_appears_when_the_horizon_reaches_it(service, list_of):
    start = NOW + 30 * DAY
    service.put("booking", "R-1", wish(start=start, until=start + HOUR), NOW)
    assert list_of("a-1").grants == ()
    service.due(NOW + 10 * DAY)
    assert len(list_of("a-1").grants) == 1


def test_codes_wait_for_their_reveal_and_reveals_are_logged(service, sessions):
    later = wish(start=NOW + 5 * DAY, until=NOW + 5 * DAY + HOUR, reveal_s=2 * DAY)
    hidden, _ = service.put("booking", "R-1", later, NOW)
    assert [(each.pin, each.qr, each.reveal_at) for each in hidden.credentials] == [(None, None, NOW + 3 * DAY)] * 2
    shown, _ = service.put("booking", "R-1", later, NOW + 3 * DAY)
    assert all(codes_of(shown))
    assert all(each.pin is each.qr is None for each in service.get("booking", "R-1", NOW + 3 * DAY).credentials)
    with sessions.begin() as session:
        assert list(session.scalars(select(ApiEntry.action).order_by(ApiEntry.id))) == ["created", "revealed"]


def test_codes_rest_sealed_and_are_forgotten(service, sessions, tmp_path):
    clear, qr = codes_of(service.put("booking", "R-1", wish(), NOW)[0])
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("hub.db*"))
    assert clear.encode() not in stored
    assert qr.encode() not in stored
    service.due(NOW + 2 * DAY)
    with sessions.begin() as session:
        assert set(session.scalars(select(Credential.sealed))) == {None}


def test_a_pin_rests_for_30_days_after_its_grant(service, sessions):
    service.put("booking", "R-1", wish(), NOW)
    for days, kept in ((2, 2), (29, 2), (31, 0)):
        service.due(NOW + days * DAY)
        with sessions.begin() as session:
            assert len(session.scalars(select(Verifier)).all()) == kept


def test_a_hub_that_lost_its_grants_does_not_empty_its_doors(service, sessions, list_of):
    answer, _ = service.put("booking", "R-1", wish(), NOW)
    with sessions.begin() as session:
        grant = session.get_one(Grant, answer.grant)
        grant.bookings = []
    service.due(NOW + DAY)
    assert list_of("a-1").shrink  # it is still known, so its going is meant
    service.put("booking", "R-2", wish(rooms=("B",)), NOW + DAY)
    with sessions.begin() as session:
        connection = session.connection()
        for table in ("deliveries", "verifiers", "pin_marks", "credentials", "bookings", "reservations", "grants"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    service.due(NOW + 2 * DAY)
    assert list_of("b-1").grants == ()
    assert not list_of("b-1").shrink


def test_a_door_added_to_a_room_learns_the_codes_that_are_out(service, list_of):
    clear, _ = codes_of(service.put("booking", "R-1", wish(), NOW)[0])
    service.apply(read_town(TOWN.replace('doors = ["a-1"]', 'doors = ["a-1", "a-2"]')), NOW)
    (grant,) = list_of("a-2").grants
    assert grant.pins[0].verifier == pin.derive(clear, list_of("a-2").pin_kdf)
    assert list_of("a-2").pin_kdf.salt != list_of("a-1").pin_kdf.salt


def test_tokens_are_known_by_hash_and_replaced(service):
    first = service.new_token("booking")
    assert service.caller(first, NOW).id == "booking"
    second = service.new_token("booking")
    assert service.caller(second, NOW).id == "booking"
    for token in (first, "", "booking", "booking.", "nobody.x"):
        with pytest.raises(Refused, match="unauthorised"):
            service.caller(token, NOW)
