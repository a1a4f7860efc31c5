"""Reports, incident numbers and the record of who read what."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from controller.formats.incident import incident_number
from sync.hub.audit import cli as audit_cli
from sync.hub.audit.readings import Readings
from sync.hub.audit.report import Question, gather
from sync.hub.audit.report_formats import write
from sync.hub.audit.report_timeline import Scale, svg, tick_label
from sync.hub.service import Service
from sync.hub.store.database import Sessions
from tests.sync.hub.conftest import ROOM_A
from tests.sync.hub.rented import DOOR, START, UNTIL, Rented

BRUSSELS = ZoneInfo("Europe/Brussels")
WHY = ["--purpose", "complaint 17", "--basis", "public_task"]


@pytest.fixture
def rented(tmp_path: Path, database: str, sessions: Sessions, service: Service) -> Rented:
    (tmp_path / "hub.toml").write_text(
        f'database = "{database}"\n[http]\nhost="h"\nport=1\n[mqtt]\nhost="h"\nport=1\n[folders]\nkeys="k"\ntls="t"\n'
    )
    rented = Rented(sessions, service)
    grant, other = rented.book(share_group="x"), rented.book("=cmd", share_group="x")
    rented.write("in", START, grant, leaf="opened")
    rented.write("refused", START + 60, other, reason="too_early")
    rented.write("refused", START + 90, reason="unknown_code")
    rented.write("out", UNTIL, grant, attribution="explicit")
    rented.write("in", UNTIL + 5, other, leaf="opened")
    rented.deliver()
    return rented


def audit(folder: Path, *arguments: str, why: Sequence[str] = WHY) -> Result:
    return CliRunner().invoke(audit_cli.app, [*arguments, "--hub", str(folder), *why])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question(), ["in", "refused", "refused", "out", "in"]),
        (Question(room=ROOM_A, from_s=START + 60, until_s=UNTIL), ["refused", "refused"]),
        (Question(reservation="booking/R-1"), ["in", "out"]),
        (Question(room="https://data.example/id/A", reservation="booking/=cmd"), ["refused", "in"]),
        (Question(grant="p-nobody"), []),
    ],
)
def test_what_is_asked_is_what_is_told(rented: Rented, question: Question, expected: list[str]):
    assert [row.kind for row in gather(rented.sessions, question, START).rows] == expected


def test_stays_go_from_in_to_out_and_may_stay_open(rented: Rented):
    report = gather(rented.sessions, Question(), START)
    assert [(stay.in_ms // 1000, stay.out_ms and stay.out_ms // 1000) for stay in report.stays] == [
        (START, UNTIL),
        (UNTIL + 5, None),
    ]


def test_the_picture_shows_a_bar_for_each_stay_and_a_tick_for_each_refusal(rented: Rented):
    picture = ElementTree.fromstring(svg(gather(rented.sessions, Question(), START), BRUSSELS))
    space = "{http://www.w3.org/2000/svg}"
    assert len(picture.findall(f"{space}rect")) == 2
    assert len([line for line in picture.findall(f"{space}line") if line.find(f"{space}title") is not None]) == 2


def test_every_format_holds_every_row(rented: Rented):
    report = gather(rented.sessions, Question(), START)
    rows = list(csv.DictReader(write(report, "csv", BRUSSELS, "x").decode().splitlines()))
    assert [row["kind"] for row in rows] == ["in", "refused", "refused", "out", "in"]
    assert not any(value.startswith("=") for row in rows for value in row.values())
    document = json.loads(write(report, "json", BRUSSELS, "x"))
    assert len(document["records"]) == 5
    page = write(report, "html", BRUSSELS, "<b>").decode()
    assert page.count("<tr>") == 6
    assert "<svg" in page
    assert "<script" not in page
    assert "&lt;b&gt;" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    pdf = write(report, "pdf", BRUSSELS, "x")
    assert pdf.startswith(b"%PDF-")


def test_an_empty_report_can_be_written_too(rented: Rented):
    report = gather(rented.sessions, Question(grant="p-nobody"), START)
    for kind in ("csv", "json", "html", "pdf"):
        assert write(report, kind, BRUSSELS, "x")


def test_the_command_writes_files_and_writes_down_who_read(rented: Rented, tmp_path: Path):
    for kind in ("csv", "json", "html", "pdf"):
        out = tmp_path / f"r.{kind}"
        result = audit(tmp_path, "report", "--room", ROOM_A, "--format", kind, "--out", str(out))
        assert result.exit_code == 0, result.output
        assert out.stat().st_size
    assert "5 records" in result.output
    assert b"reading" in (tmp_path / "r.html").read_bytes()
    assert audit(tmp_path, "report", "--reservation", "booking/R-1").exit_code == 0
    made = Readings(rented.sessions).all()
    assert [each.action for each in made] == ["report"] * 5
    assert (made[-1].subject, made[-1].purpose, made[-1].basis) == (
        "reservation booking/R-1", "complaint 17", "public_task",
    )  # fmt: skip


@pytest.mark.parametrize(
    "why", [[], ["--purpose", "x"], ["--basis", "public_task"], ["--purpose", "x", "--basis", "y"]]
)
def test_nobody_reads_names_without_saying_why(rented: Rented, tmp_path: Path, why: list[str]):
    number = incident_number(DOOR, rented.log.log, 2)
    out = str(tmp_path / "s.json")
    for command in (["report"], ["why", number], ["subject", "--reservation", "booking/R-1", "--out", out]):
        assert audit(tmp_path, *command, why=why).exit_code == 2
    assert Readings(rented.sessions).all() == []


@pytest.mark.parametrize(
    "wrong",
    [
        ["--format", "xml", "--out", "x"],
        ["--format", "csv"],
        ["--out", "x"],
        ["--from", "yesterday"],
        ["--zone", "Mars/Base"],
        ["--room", "nowhere"],
        ["--reservation", "booking/none"],
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(rented: Rented, tmp_path: Path, wrong: list[str]):
    result = audit(tmp_path, "report", *wrong)
    assert (result.exit_code, len(result.output.strip().splitlines())) == (2, 1)


def test_why_tells_what_lies_behind_a_number(rented: Rented, tmp_path: Path):
    for seq, expected in ((2, "too_early"), (3, "nobody's")):
        result = audit(tmp_path, "why", incident_number(DOOR, rented.log.log, seq).replace("-", " "))
        assert result.exit_code == 0
        assert expected in result.output
        assert DOOR in result.output
    assert audit(tmp_path, "why", "000-000-000").exit_code == 2
    assert audit(tmp_path, "why", "12").exit_code == 2
    assert {each.action for each in Readings(rented.sessions).all()} == {"why"}


def test_a_reservations_export_is_noted_and_a_purposeless_one_names_nobody(rented: Rented, tmp_path: Path):
    out = tmp_path / "log.jsonl"
    asked = ["export", "--door", DOOR, "--out", str(out)]
    assert audit(tmp_path, *asked, "--reservation", "booking/R-1").exit_code == 0
    assert out.read_bytes().count(b'"opening"') == 2
    assert "it names nobody" in audit(tmp_path, *asked, why=[]).output
    assert b'"opening"' not in out.read_bytes()
    assert [each.basis for each in Readings(rented.sessions).all()] == ["public_task", "none_named"]


def test_checkpoints_gather_in_a_file(rented: Rented, tmp_path: Path):
    out, log, key = tmp_path / "checkpoints.jsonl", tmp_path / "log.jsonl", tmp_path / "door.jwk"
    key.write_text(json.dumps(rented.log.signing.verify_key.jwk()))
    assert audit(tmp_path, "checkpoint", "--door", DOOR, "--out", str(out), why=[]).exit_code == 0
    rented.write("boot", UNTIL + 60)
    rented.deliver()
    assert audit(tmp_path, "checkpoint", "--door", DOOR, "--out", str(out), why=[]).exit_code == 0
    assert audit(tmp_path, "export", "--door", DOOR, "--out", str(log), why=[]).exit_code == 0
    verify = ["verify", str(log), "--key", str(key), "--checkpoint", str(out)]
    said = CliRunner().invoke(audit_cli.app, verify)
    assert said.exit_code == 0, said.output
    assert "signed for at 5, 6" in said.output


def test_readings_that_were_altered_show(rented: Rented, tmp_path: Path):
    for _ in range(3):
        audit(tmp_path, "report")
    assert audit(tmp_path, "readings", why=[]).exit_code == 0
    with rented.sessions.begin() as session:
        session.execute(text("DELETE FROM audit_readings WHERE id = 2"))
    result = audit(tmp_path, "readings", why=[])
    assert result.exit_code == 1
    assert "entry 2" in result.output


def test_subject_hold_release_purge_and_figures(rented: Rented, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sync.hub.audit.retention_cli.time.time", lambda: UNTIL)
    out = tmp_path / "subject.json"
    assert audit(tmp_path, "subject", "--holder", "h-1", "--out", str(out)).exit_code == 0
    assert len(json.loads(out.read_bytes())["records"]) == 4
    assert audit(tmp_path, "hold", "booking/R-1", "--reason", "file 3", why=[]).exit_code == 0
    assert audit(tmp_path, "release", "booking/R-1", why=[]).exit_code == 0
    assert audit(tmp_path, "release", "booking/R-1", why=[]).exit_code == 2
    assert "0 records" in audit(tmp_path, "purge", why=[]).output, "what has not been yet is not forgotten"
    assert audit(tmp_path, "purge", "--months", "13", why=[]).exit_code == 2
    figures = json.loads(audit(tmp_path, "figures", "2026-07", "--json", why=[]).output)
    assert {each["count"] for each in figures if each["name"] == "used"} == {None}, "under five"
    assert audit(tmp_path, "figures", "July", why=[]).exit_code == 2
    assert audit(tmp_path, "subject", "--out", str(out)).exit_code == 2


def test_ticks_of_a_short_time_can_be_told_apart():
    scale = Scale((START * 1000, (START + 60) * 1000), 0, 100)
    labels = [tick_label(at_ms, scale, BRUSSELS) for at_ms in scale.ticks()]
    assert len(set(labels)) == len(labels)
