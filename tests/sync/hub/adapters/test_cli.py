"""`hub import` and `hub adapters` in a real hub folder."""

import json

import pytest
from icalendar import Calendar
from typer.testing import CliRunner

from sync.hub.adapters.settings import FILE
from sync.hub.cli import app
from tests.sync.hub.adapters.test_ical_feed import calendar, event
from tests.sync.hub.conftest import ROOM_A, TOWN

TABLE = f"ref;room;date;start;end\nW-1;{ROOM_A};{{0}};14:00;18:00\nW-2;attic;{{0}};14:00;18:00\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "town.toml").write_text(TOWN)
    for arguments in (
        ["init", str(folder / "hub")],
        ["apply", str(folder / "town.toml"), "--hub", str(folder / "hub")],
    ):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    return folder / "hub"


@pytest.fixture
def run(hub, monkeypatch):
    monkeypatch.chdir(hub)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def soon():
    """A day of next month, as a table writes it and as a calendar does."""
    from datetime import UTC, datetime, timedelta

    day = datetime.now(UTC) + timedelta(days=30)
    return f"{day:%d/%m/%Y}", f"{day:%Y%m%d}"


def test_a_table_as_table_and_as_json(run, hub, soon):
    (hub / "table.csv").write_text(TABLE.format(soon[0]))
    done = run("import", "csv", "table.csv", "--client", "booking", "--json")
    assert done.exit_code == 1, "a row was refused"
    assert [(row["where"], row["result"], row["code"]) for row in json.loads(done.stdout)] == [
        ("row 2", "created", None),
        ("row 3", "refused", "unknown_room"),
    ]
    shown = run("import", "csv", "table.csv", "--client", "booking").stdout
    assert "unchanged" in shown
    assert "there is no room attic" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "csv", "hub.toml", "--client", "booking"), "bad_file"),
        (("import", "csv", "hub.toml", "--client", "nobody"), "no client nobody"),
        (("import", "ics", "hub.toml", "--client", "booking"), "bad_feed"),
        (("import", "ics", "hub.toml", "--client", "booking", "--kind", "ghost"), "is one of"),
        (("import", "oslo", "hub.toml", "--client", "booking"), "bad_document"),
        (("adapters", "calendar", "--client", "booking", "--language", "es"), "is one of"),
    ],
)
def test_what_is_refused_is_one_sentence(run, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_file_that_is_not_there(run):
    done = run("import", "csv", "none.csv", "--client", "booking")
    assert (done.exit_code, "none.csv" in done.stderr) == (2, True)


def test_feeds_are_polled_once_and_failures_named(run, hub, foreign, soon):
    times = (f"DTSTART:{soon[1]}T060000Z", f"DTEND:{soon[1]}T070000Z")
    foreign.put("/cleaning.ics", calendar(event(*times, uid="poll-1", location="B")))
    (hub / FILE).write_text(
        f'[feeds.cleaning]\nclient = "booking"\nurl = "{foreign.url}/cleaning.ics"\n'
        f'[feeds.gone]\nclient = "booking"\nurl = "{foreign.url}/gone.ics"\n'
    )
    done = run("adapters", "run", "--once", "--json")
    assert done.exit_code == 1
    assert [row["ref"] for row in json.loads(done.stdout)] == ["poll-1"]
    assert "feed gone" in done.stderr
    (hub / FILE).unlink()


def test_a_calendar_and_an_oslo_document_come_out(run, hub, soon):
    (hub / "table.csv").write_text(TABLE.format(soon[0]).replace("W-1", "W-9").replace("14:00", "19:00"))
    (hub / "table.csv").write_text((hub / "table.csv").read_text().replace("18:00", "20:00"))
    run("import", "csv", "table.csv", "--client", "booking")
    assert run("adapters", "calendar", "--client", "booking", "--out", "staff.ics").exit_code == 0
    assert "W-9" in str(
        [each["SUMMARY"] for each in Calendar.from_ical((hub / "staff.ics").read_bytes()).walk("VEVENT")]
    )
    base = "https://data.example/id/"
    assert run("adapters", "oslo", "--client", "booking", "--base", base, "--out", "out.jsonld").exit_code == 0
    assert f'"{base}W-9"' in (hub / "out.jsonld").read_text()
    again = run("import", "oslo", "out.jsonld", "--client", "booking", "--base", base, "--json")
    assert {row["result"] for row in json.loads(again.stdout)} <= {"changed", "unchanged"}
