"""OSLO Zaalreservatie: the four published samples, every status, and a round trip of any reservation."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.formats.code_list import Window
from controller.formats.errors import Refused
from sync.hub.adapters.entry import Entry, Rejected
from sync.hub.adapters.oslo import STATUS, read_oslo, write_oslo
from sync.hub.adapters.places import Places
from tests.sync.hub.adapters.conftest import ROOMS, WEEK, at
from tests.sync.hub.conftest import NOW, ROOM_A

BASE = "https://data.mortsel.example/id/"
INF = (f"{BASE}INF001", f"{BASE}INF002")
PLACES = Places(ROOMS | {room: next(iter(ROOMS.values())) for room in INF})
SAMPLES = Path(__file__).parents[5] / "shared" / "data" / "oslo-zaalreservatie"


def sample(name: str) -> list[Entry | Rejected]:
    path = SAMPLES / f"{name}.jsonld"
    if not path.is_file():
        pytest.skip("the published samples are not beside this checkout")
    return read_oslo(path.read_bytes(), PLACES, BASE)


def document(**members) -> dict[str, object]:
    moments = {end: {"Moment.inXSDDatumTijd": {"@value": f"2026-07-17T{hour}:00Z"}} for end, hour in HOURS.items()}
    node = {
        "@id": "_:RES001",
        "@type": "Infrastructuurreservatie",
        "Infrastructuurreservatie.infrastructuur": [{"@id": "_:INF001"}],
        "Infrastructuurreservatie.status": [{"@id": STATUS + "goedgekeurd"}],
        "Infrastructuurreservatie.periode": {"@type": "Periode", **moments},
    }
    return node | {f"Infrastructuurreservatie.{name}" if name[0] != "@" else name: it for name, it in members.items()}


HOURS = {"Periode.van": "12", "Periode.tot": "16"}


def read(*nodes: dict[str, object]) -> list[Entry | Rejected]:
    return read_oslo(json.dumps({"@context": [], "@graph": nodes}).encode(), PLACES, BASE)


def one(**members) -> Entry:
    (found,) = read(document(**members))
    assert isinstance(found, Entry), found
    return found


def days(van: str, tot: str) -> dict[str, object]:
    return {"Periode.van": {"Moment.inXSDDatum": van}, "Periode.tot": {"Moment.inXSDDatum": {"@value": tot}}}


def test_sample_of_a_party():
    (found,) = sample("huwelijksfeestFeestzaalReservatie")
    assert isinstance(found, Entry)
    assert (found.ref, found.state, found.rooms, found.holder_kind) == ("RES001", "pending", INF[:1], "person")
    assert found.windows == ((at("2025-07-17T14:00"), at("2025-07-18T14:00")),)
    assert found.correlation == {"activity": "huwelijksreceptie"}
    assert "Filip" not in repr(found)


def test_sample_of_a_cancellation():
    (found,) = sample("kenmerkenMaterialenAnnulatie")
    assert isinstance(found, Entry)
    assert found.state == "cancelled"


def test_sample_of_a_divisible_hall():
    first, second = sample("opdeelbaarheidCompabiliteit")
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.state, second.state) == ("pending", "active")
    assert (first.rooms, second.rooms) == (INF[:1], INF[1:])
    assert first.windows == second.windows


def test_sample_of_a_request_without_a_period():
    (found,) = sample("richtlijnenGebruikVeiligheidToegang")
    assert isinstance(found, Rejected)
    assert (found.ref, found.code) == ("RES001", "window_required")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("aanvraag", "pending"),
        ("Aanvraag", "pending"),
        ("inBehandeling", "pending"),
        ("in behandeling", "pending"),
        ("goedgekeurd", "active"),
        ("bevestigd", "active"),
        ("afgekeurd", "cancelled"),
        ("geannuleerd", "cancelled"),
    ],
)
def test_every_status_has_its_state(status, state):
    assert one(status={"@id": STATUS + status}).state == state


def test_an_archived_reservation_is_over_and_nothing_is_done():
    assert read(document(status=[{"@id": STATUS + "gearchiveerd"}])) == []


def test_an_approval_that_is_withdrawn_ends_the_grant(intake, service):
    room = {"infrastructuur": {"@id": ROOM_A}}
    intake.take(read(document(**room)), NOW)
    assert service.get("booking", "RES001", NOW).state == "active"
    intake.take(read(document(status={"@id": STATUS + "geannuleerd"}, **room)), NOW)
    assert service.get("booking", "RES001", NOW).state == "cancelled"


def test_days_mean_the_opening_hours_or_are_refused():
    assert len(one(periode=days("2026-07-17", "2026-07-18")).windows) == 2
    (refused,) = read(document(periode=days("2026-07-17", "2026-07-17"), infrastructuur={"@id": "B"}))
    assert isinstance(refused, Rejected)
    assert refused.code == "window_required"
    assert "sun" not in WEEK


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"@id": ""}, "bad_request"),
        ({"status": []}, "bad_request"),
        ({"status": [{"@id": STATUS + "betaald"}]}, "bad_request"),
        ({"infrastructuur": []}, "unknown_room"),
        ({"infrastructuur": [{"@id": "_:INF999"}]}, "unknown_room"),
        ({"periode": None}, "window_required"),
        ({"periode": "morgen"}, "bad_request"),
        ({"periode": {"Periode.van": {"Moment.inXSDDatumTijd": "2026-07-17T12:00:00"}}}, "bad_request"),
        ({"periode": {"Periode.van": {"Moment.inXSDDatumTijd": "2026-07-17T12:00:00Z"}}}, "window_required"),
        ({"periode": days("2026-07-18", "2026-07-17")}, "bad_request"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_others_are_read(members, code):
    bad, good = read(document(**members), document(**{"@id": "_:RES002"}))
    assert isinstance(bad, Rejected)
    assert bad.code == code
    assert isinstance(good, Entry)


@pytest.mark.parametrize("data", [b"", b"no json", b"[]", b"{}", b'{"@graph": [{"@type": "Binnenruimte"}]}', b"7"])
def test_a_document_without_reservations_is_refused(data):
    with pytest.raises(Refused) as refused:
        read_oslo(data, PLACES)
    assert refused.value.code == "bad_document"


REFS = st.from_regex(r"[A-Za-z][A-Za-z0-9_.:~-]{0,30}", fullmatch=True)
TIMES = st.integers(NOW // 60, NOW // 60 + 10**6)


@st.composite
def entries(draw) -> Entry:
    windows: set[Window] = {
        (60 * start, 60 * (start + length))
        for start, length in draw(st.sets(st.tuples(TIMES, st.integers(1, 600)), min_size=1, max_size=4))
    }
    return Entry(
        where="",
        ref=draw(REFS),
        state=draw(st.sampled_from(["pending", "active"])),
        rooms=tuple(draw(st.lists(st.sampled_from([ROOM_A, "B", *INF]), min_size=1, max_size=3, unique=True))),
        windows=tuple(sorted(windows)),
        holder=draw(REFS),
        holder_kind=draw(st.sampled_from(["person", "association", "company"])),
        correlation=draw(st.sampled_from([{}, {"activity": "huwelijksreceptie"}])),
    )


@settings(max_examples=40)
@given(st.lists(entries(), min_size=1, max_size=4))
def test_what_is_written_reads_back_the_same(written):
    found = read_oslo(json.dumps(write_oslo(written, BASE)).encode(), PLACES, BASE)
    assert [each if isinstance(each, Rejected) else replaced(each) for each in found] == written


def replaced(entry: Entry) -> Entry:
    """Without the place it was read from."""
    return Entry(**{**vars(entry), "where": ""})


def test_every_term_of_the_mapping_is_documented():
    text = (Path(__file__).parents[4] / "docs" / "oslo.md").read_text("utf-8")
    source = Path(read_oslo.__code__.co_filename).read_text("utf-8")
    terms = {"Periode.van", "Periode.tot", "Moment.inXSDDatumTijd", "Moment.inXSDDatum", "Activiteit.type"}
    terms |= {f"Infrastructuurreservatie.{term}" for term in (
        "infrastructuur", "status", "periode", "gereserveerdDoor", "gereserveerdVoor",
    )}  # fmt: skip
    for term in terms:
        assert term.rpartition(".")[2] in source
        assert f"`{term}`" in text, term
