"""An exported log proves itself: every single edit is found, named and placed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from controller.formats.encoding import b64, canonical, parse_object, unb64
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.event import GENESIS, STATEMENT_TYP, Statement, chain
from controller.formats.exported_log import RecordLine, parse_line, record_line
from controller.formats.jwk import VerifyKey, make_key
from sync.hub.audit import cli as audit_cli
from sync.hub.audit.export import Selection, export
from sync.hub.audit.verify import Verdict, read_checkpoints, verify
from sync.hub.records.collector import read_batch
from sync.hub.records.log_store import LogStore
from sync.hub.store.database import Sessions, open_database
from tests.sync.hub.door_log import LOG, DoorLog

# Four statements; the third reaches back into the second, as after a batch that was sent twice.
BATCHES = [(1, 5), (6, 10), (9, 12), (13, 20)]
# Where their lines are: the closing statement is line 1, record n follows n and the statements before it.
STATEMENT_LINES = [7, 13, 16, 25]


def line_of(seq: int) -> int:
    """The line (from 1) of record `seq`."""
    return seq + 1 + sum(last < seq for _, last in BATCHES)


@pytest.fixture(scope="module")
def door() -> DoorLog:
    log = DoorLog()
    log.add(8)
    log.add(12, grant="g1", note="entry")
    return log


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, door: DoorLog) -> LogStore:
    store = LogStore(open_database(f"sqlite:///{tmp_path_factory.mktemp('hub') / 'hub.db'}"))
    store.store([read_batch(door.batch(*ends), "hall-1", door.signing.verify_key) for ends in BATCHES], 1)
    return store


@pytest.fixture(scope="module")
def lines(store: LogStore) -> list[bytes]:
    return list(export(store, "hall-1", LOG))


def found(lines: list[bytes], key: VerifyKey | None) -> tuple[str | None, int | None, int | None]:
    damage = verify(lines, key).damage
    return (damage.kind, damage.first, damage.last) if damage else (None, None, None)


def test_an_export_is_intact_with_and_without_the_key(lines: list[bytes], door: DoorLog):
    assert len(lines) == 1 + 20 + len(BATCHES)
    assert lines[0] == lines[-1]
    for key in (door.signing.verify_key, None):
        verdict = verify(lines, key)
        assert verdict == Verdict(key is not None, "hall-1", LOG, 1, 20, 20, 4, 0)


def test_a_redacted_export_is_intact_and_says_so(lines: list[bytes], door: DoorLog):
    redacted = [record_line(door.events[seq - 1], None) if seq >= 9 else lines[line_of(seq) - 1] for seq in (9, 20)]
    spread = list(lines)
    spread[line_of(9) - 1], spread[line_of(20) - 1] = redacted
    verdict = verify(spread, door.signing.verify_key)
    assert verdict.damage is None
    assert verdict.redacted == 2


def edited(lines: list[bytes], *edits: tuple[int, int, list[bytes]]) -> list[bytes]:
    """`lines` with (line from 1, how many go, what comes instead)."""
    copy = list(lines)
    for line, gone, instead in edits:
        copy[line - 1 : line - 1 + gone] = instead
    return copy


def test_each_damage_has_its_name_and_place(lines: list[bytes], door: DoorLog):
    at = {seq: lines[line_of(seq) - 1] for seq in range(1, 21)}
    altered = at[11].replace(b'"clock":"synced"', b'"clock":"floor"')
    other_door = at[11].replace(b"hall-1", b"hall-2")
    other_log = at[11].replace(LOG.encode(), b"f" * 16)
    stranger = at[11].replace(b'"grant":"g1"', b'"grant":"g2"')
    cases = {
        ("missing", 3, 3): edited(lines, (line_of(3), 1, [])),
        ("missing", 3, 4): edited(lines, (line_of(3), 2, [])),
        ("missing", 1, 1): edited(lines, (line_of(1), 1, [])),
        ("missing", 20, 20): edited(lines, (line_of(20), 1, [])),
        ("missing", 6, 10): edited(lines, (line_of(6), 6, [])),
        ("missing_statement", 1, 1): edited(lines, (STATEMENT_LINES[0], 1, [])),
        ("missing_statement", 11, 12): edited(lines, (STATEMENT_LINES[2], 1, [])),
        ("duplicated", 10, 10): edited(lines, (STATEMENT_LINES[1], 0, [lines[STATEMENT_LINES[1] - 1]])),
        ("duplicated", 4, 4): edited(lines, (line_of(4), 0, [at[4]])),
        ("duplicated", 2, 2): edited(lines, (line_of(8), 0, [at[2]])),
        ("inserted", 11, 11): edited(lines, (line_of(11) + 1, 0, [altered])),
        ("inserted", 6, 6): edited(lines, (STATEMENT_LINES[0], 0, [at[6]])),
        ("reordered", 7, 7): edited(lines, (line_of(7), 2, [at[8], at[7]])),
        ("altered", 11, 12): edited(lines, (line_of(11), 1, [altered])),
        ("wrong_door", 11, 11): edited(lines, (line_of(11), 1, [other_door])),
        ("wrong_log", 11, 11): edited(lines, (line_of(11), 1, [other_log])),
        ("bad_opening", 11, 11): edited(lines, (line_of(11), 1, [stranger])),
        ("not_canonical", 11, 11): edited(lines, (line_of(11), 1, [at[11][:-1] + b" \n"])),
        ("unreadable", 11, 11): edited(lines, (line_of(11), 1, [b"rubbish\n"])),
        ("truncated", 16, 20): lines[: line_of(15)],
        ("truncated", 20, 20): [*lines[: line_of(20) - 1], at[20][:-1]],
        ("trailing", 21, 21): [*lines, at[20]],
        ("truncated", None, None): [],
        ("bad_signature", 6, 6): edited(lines, (STATEMENT_LINES[0], 1, [_lie(lines[STATEMENT_LINES[0] - 1])])),
    }
    for expected, damaged in cases.items():
        assert found(damaged, door.signing.verify_key) == expected


def test_the_first_of_several_damages_is_named(lines: list[bytes], door: DoorLog):
    both = edited(lines, (line_of(10), 1, [b"rubbish\n"]), (line_of(7), 1, []))
    assert found(both, door.signing.verify_key) == ("missing", 7, 7)


def test_another_doors_key_verifies_nothing(lines: list[bytes]):
    assert found(lines, make_key().verify_key)[0] == "bad_signature"


def _lie(statement: bytes) -> bytes:
    """The statement with a payload that says something else."""
    sealed = parse_object(statement, "line")["statement"]
    payload = unb64(sealed["payload"], "payload").replace(b'"first":', b'"first": ')
    return canonical({"statement": sealed | {"payload": b64(payload)}}) + b"\n"


def rechained(door: DoorLog) -> list[bytes]:
    """A forger's file: record 11 altered and everything after it made to fit, signed with a key of his own."""
    forger = DoorLog(signing=make_key())
    for data, opening in zip(door.events, door.openings, strict=True):
        forger.append(data.replace(b'"seq":11,"', b'"reason":"x","seq":11,"'), opening)
    return _written(forger)


def _written(log: DoorLog) -> list[bytes]:
    statements = []
    for first, last in BATCHES:
        sealed = parse_object(log.batch(first, last), "batch")["statement"]
        statements.append(canonical({"statement": sealed}) + b"\n")
    lines, seq = [statements[-1]], 1
    for (_, last), statement in zip(BATCHES, statements, strict=True):
        while seq <= last:
            lines.append(record_line(log.events[seq - 1], log.openings[seq - 1]))
            seq += 1
        lines.append(statement)
    return lines


def test_a_log_made_up_without_the_doors_key_is_found_only_with_it(door: DoorLog):
    forged = rechained(door)
    assert found(forged, None) == (None, None, None), "why the command says that signatures were not checked"
    assert found(forged, door.signing.verify_key)[0] == "bad_signature"


def spoil(lines: list[bytes], door: DoorLog, random: Random) -> list[bytes]:
    """One edit somewhere, of a random kind."""
    at = random.randrange(len(lines))
    match random.choice(["bit", "field", "swap", "delete", "insert", "truncate", "rechain"]):
        case "bit":
            line = bytearray(lines[at])
            line[random.randrange(len(line))] ^= 1 << random.randrange(8)
            # A flipped end of line may make two lines of one, or one of two.
            whole = b"".join(edited(lines, (at + 1, 1, [bytes(line)])))
            return whole.splitlines(keepends=True) if b"\r" not in whole else edited(lines, (at + 1, 1, [bytes(line)]))
        case "field":
            member = random.choice(list(parse_object(door.events[at % 20], "event")))
            event = {**parse_object(door.events[at % 20], "event"), member: random.choice([None, 1, "x", {}, "0" * 64])}
            where = line_of(at % 20 + 1)
            return edited(lines, (where, 1, [canonical({"record": {"event": event}}) + b"\n"]))
        case "swap":
            other = random.randrange(len(lines))
            return edited(lines, (at + 1, 1, [lines[other]]), (other + 1, 1, [lines[at]]))
        case "delete":
            return edited(lines, (at + 1, 1, []))
        case "insert":
            return edited(lines, (at + 1, 0, [random.choice(lines)]))
        case "truncate":
            whole = b"".join(lines)
            return whole[: random.randrange(len(whole))].splitlines(keepends=True)
        case _:
            return rechained(door)


@given(seed=st.integers(0, 1 << 48))
def test_every_random_edit_is_found(lines: list[bytes], door: DoorLog, seed: int):
    damaged = spoil(lines, door, Random(seed))
    verify(damaged, None)
    if damaged != lines:
        assert verify(damaged, door.signing.verify_key).damage is not None


@pytest.fixture
def folder(tmp_path: Path, lines: list[bytes], door: DoorLog) -> Path:
    (tmp_path / "log.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "door.jwk").write_bytes(canonical(door.signing.verify_key.jwk()))
    return tmp_path


def test_the_command_says_intact_and_whether_signatures_were_checked(folder: Path):
    log, key = str(folder / "log.jsonl"), str(folder / "door.jwk")
    plain = CliRunner().invoke(audit_cli.app, ["verify", log])
    assert plain.exit_code == 0
    assert "intact: 20 records, 1 to 20" in plain.output
    assert "NOT checked" in plain.output
    signed = CliRunner().invoke(audit_cli.app, ["verify", log, "--key", key])
    assert "NOT checked" not in signed.output


def test_what_door_init_printed_is_a_key_file(folder: Path, door: DoorLog):
    printed = folder / "unit-keys.json"
    printed.write_bytes(canonical({"event_key": door.signing.verify_key.jwk(), "encrypt_key": {}}))
    result = CliRunner().invoke(audit_cli.app, ["verify", str(folder / "log.jsonl"), "--key", str(printed)])
    assert result.exit_code == 0
    assert "NOT checked" not in result.output


def test_the_command_names_the_damage(folder: Path, lines: list[bytes]):
    log = folder / "log.jsonl"
    log.write_bytes(b"".join(edited(lines, (line_of(3), 1, []))))
    assert "missing at number 3 (line 6)" in CliRunner().invoke(audit_cli.app, ["verify", str(log)]).output
    result = CliRunner().invoke(audit_cli.app, ["verify", str(log), "--json"])
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["damage"] | {"text": ""} == {"kind": "missing", "first": 3, "last": 3, "line": 6, "text": ""}
    assert not answer["intact"]


@pytest.mark.parametrize("arguments", [["nowhere.jsonl"], ["log.jsonl", "--key", "nowhere.jwk"], []])
def test_what_cannot_be_read_is_not_called_damaged(folder: Path, arguments: list[str], monkeypatch):
    monkeypatch.chdir(folder)
    assert CliRunner().invoke(audit_cli.app, ["verify", *arguments]).exit_code == 2


def test_what_cannot_be_read_is_told_in_json_too(folder: Path):
    result = CliRunner().invoke(audit_cli.app, ["verify", str(folder / "nowhere.jsonl"), "--json"])
    assert result.exit_code == 2
    assert result.stderr == f"{folder}/nowhere.jsonl: no such file or directory (unreadable)\n"
    assert json.loads(result.stdout) == {
        "refused": "unreadable",
        "where": f"{folder}/nowhere.jsonl",
        "text": "no such file or directory",
    }


def test_a_file_that_is_no_key_is_refused(folder: Path):
    result = CliRunner().invoke(
        audit_cli.app, ["verify", str(folder / "log.jsonl"), "--key", str(folder / "log.jsonl")]
    )
    assert result.exit_code == 2


def test_export_writes_a_file_that_verifies(tmp_path: Path, door: DoorLog):
    (tmp_path / "hub.toml").write_text(
        'database = "sqlite:///hub.db"\n[http]\nhost="h"\nport=1\n[mqtt]\nhost="h"\nport=1\n[folders]\nkeys="k"\ntls="t"\n'
    )
    store = LogStore(open_database(f"sqlite:///{tmp_path / 'hub.db'}"))
    out = tmp_path / "out.jsonl"
    arguments = ["export", "--hub", str(tmp_path), "--door", "hall-1", "--out", str(out)]
    assert CliRunner().invoke(audit_cli.app, arguments).exit_code == 2, "nothing to export yet"
    store.store([read_batch(door.batch(1, 20), "hall-1", door.signing.verify_key)], 1)
    assert CliRunner().invoke(audit_cli.app, arguments).exit_code == 0
    with out.open("rb") as file:
        assert verify(file, door.signing.verify_key).damage is None
    healed = DoorLog(log="f" * 16, signing=door.signing)
    healed.add(1)
    store.store([read_batch(healed.batch(1, 1), "hall-1", door.signing.verify_key)], 1)
    several = CliRunner().invoke(audit_cli.app, arguments)
    assert several.exit_code == 2
    assert "choose one with --log" in several.output


def test_a_file_whose_name_is_no_text_is_named_in_json(tmp_path: Path):
    log = Path(f"{tmp_path}/\udcff.jsonl")
    log.write_bytes(b"")
    result = CliRunner().invoke(audit_cli.app, ["verify", str(log), "--json"])
    assert (result.exit_code, json.loads(result.output)["file"]) == (1, f"{tmp_path}/\ufffd.jsonl")


# ---- checkpoints


def checkpoint_of(door: DoorLog, first: int, last: int) -> bytes:
    return canonical({"statement": parse_object(door.batch(first, last), "batch")["statement"]}) + b"\n"


def compared(lines: list[bytes], door: DoorLog, *checkpoints: bytes) -> Verdict:
    key = door.signing.verify_key
    return verify(lines, key, read_checkpoints(checkpoints, key))


def test_a_file_agrees_with_what_the_door_signed_before(lines: list[bytes], door: DoorLog):
    verdict = compared(lines, door, checkpoint_of(door, 6, 10), checkpoint_of(door, 13, 20), checkpoint_of(door, 2, 3))
    assert verdict.damage is None
    assert verdict.checkpoints == [3, 10, 20]


def test_a_new_history_by_the_doors_own_key_is_found_by_a_checkpoint(lines: list[bytes], door: DoorLog):
    rewritten = DoorLog(signing=door.signing)
    for data, opening in zip(door.events, door.openings, strict=True):
        rewritten.append(data.replace(b'"seq":11,"', b'"reason":"x","seq":11,"'), opening)
    forged = _written(rewritten)
    assert verify(forged, door.signing.verify_key).damage is None, "it fits in itself"
    damage = compared(forged, door, checkpoint_of(door, 6, 10), checkpoint_of(door, 9, 12)).damage
    assert damage is not None
    assert (damage.kind, damage.first, damage.last) == ("checkpoint", 1, 12)


def test_an_old_history_is_found_by_a_checkpoint(door: DoorLog):
    older = DoorLog(signing=door.signing)
    for data, opening in zip(door.events[:12], door.openings[:12], strict=True):
        older.append(data, opening)
    statement = checkpoint_of(older, 1, 12)
    records = [record_line(data, opening) for data, opening in zip(older.events, older.openings, strict=True)]
    damage = compared([statement, *records, statement], door, checkpoint_of(door, 13, 20)).damage
    assert damage is not None
    assert (damage.kind, damage.first, damage.last) == ("checkpoint", 13, 20)


@pytest.mark.parametrize("turned", [False, True])
def test_two_histories_signed_up_to_one_number_do_not_hide_each_other(lines: list[bytes], door: DoorLog, turned: bool):
    forked = DoorLog(signing=door.signing)
    forked.add(12, note="another")
    kept = [checkpoint_of(door, 9, 12), checkpoint_of(forked, 9, 12)]
    damage = compared(lines, door, *reversed(kept) if turned else kept).damage
    assert damage is not None
    assert (damage.kind, damage.last) == ("checkpoint", 12)


def test_a_checkpoint_of_another_log_proves_nothing(lines: list[bytes], door: DoorLog):
    other = DoorLog(log="f" * 16, signing=door.signing)
    other.add(3)
    verdict = compared(lines, door, checkpoint_of(other, 1, 3))
    assert verdict.damage is None
    assert (verdict.checkpoints, verdict.not_compared) == ([], [3])


def test_a_checkpoint_signed_by_somebody_else_is_refused(lines: list[bytes], door: DoorLog):
    forger = DoorLog(signing=make_key())
    forger.add(3)
    with pytest.raises(Refused, match=r"line 2 .*unknown_key"):
        compared(lines, door, checkpoint_of(door, 1, 3), checkpoint_of(forger, 1, 3))
    with pytest.raises(Refused, match="bad_checkpoint"):
        compared(lines, door)
    with pytest.raises(Refused, match=r"line 1: .*bad_checkpoint"):
        compared(lines, door, lines[1])


# ---- what may be handed out

AT_MS = 1_800_000_000_000


@pytest.mark.parametrize(("first", "last"), [(1, 20), (3, 3), (7, 15), (11, 12), (20, 20), (10, 11)])
def test_an_export_of_a_period_verifies_and_names_nobody_outside_it(store: LogStore, door: DoorLog, first, last):
    period = Selection(from_ms=AT_MS + first, until_ms=AT_MS + last + 1)
    part = list(export(store, "hall-1", LOG, period))
    verdict = verify(part, door.signing.verify_key)
    assert verdict.damage is None
    assert verdict.first is not None
    assert verdict.last is not None
    assert verdict.first <= first <= last <= verdict.last
    named = [line for line in map(parse_line, (line[:-1] for line in part)) if isinstance(line, RecordLine)]
    assert {line.event.seq for line in named if line.opening} == {seq for seq in range(first, last + 1) if seq >= 9}
    assert verify(part[:-2], door.signing.verify_key).damage is not None
    assert verify([part[0], *part[2:]], door.signing.verify_key).damage is not None


def test_an_export_for_one_grant_redacts_everybody_else(sessions: Sessions):
    log = DoorLog()
    log.add(3, grant="g1")
    log.add(3, grant="g2")
    log.add(2, grant="g1")
    store = LogStore(sessions)
    store.store([read_batch(log.batch(*ends), "hall-1", log.signing.verify_key) for ends in [(1, 4), (5, 8)]], 1)
    part = list(export(store, "hall-1", LOG, Selection(grants=frozenset({"g2"}))))
    verdict = verify(part, log.signing.verify_key)
    assert (verdict.damage, verdict.redacted, verdict.records) == (None, 5, 8)
    assert b'"g1"' not in b"".join(part)
    assert b"".join(part).count(b'"g2"') == 3
    with pytest.raises(Refused, match="nothing_found"):
        list(export(store, "hall-1", LOG, Selection(grants=frozenset({"g3"}))))


def test_without_a_purpose_an_export_names_nobody(store: LogStore):
    whole = b"".join(export(store, "hall-1", LOG, Selection(named=False)))
    assert b'"opening"' not in whole
    assert whole.count(b'"record"') == 20


# ---- the campaign


def test_every_edit_of_the_campaign_is_found_and_placed(lines: list[bytes], door: DoorLog, pytestconfig: pytest.Config):
    """`./run edits --edits 10000` for the whole campaign. Placed: it is noticed at the first line that differs, or at
    one of the next three statements."""
    edits = pytestconfig.getoption("--edits")
    random = Random(6)
    for _ in range(edits):
        damaged = spoil(lines, door, random)
        if damaged == lines:
            continue
        damage = verify(damaged, door.signing.verify_key).damage
        assert damage is not None
        first_edit = next(
            (n for n, (a, b) in enumerate(zip(lines, damaged, strict=False), 1) if a != b),
            min(len(lines), len(damaged)) + 1,
        )
        # An altered record shows at the next statement; where a swap has taken two of those, at the one after them.
        later = [line for line in STATEMENT_LINES if line >= first_edit]
        noticed_by = max([*later[:3], first_edit]) + 1
        assert first_edit - 1 <= damage.line <= noticed_by


@pytest.mark.slow
def test_a_long_log_is_verified_in_bounded_memory(pytestconfig: pytest.Config):
    """`./run edits --events 1000000` for the whole: memory does not grow with the log."""
    events = pytestconfig.getoption("--events")
    log = LongLog(events)
    tracemalloc.start()
    verdict = verify(log.lines(), log.signing.verify_key)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (verdict.damage, verdict.records) == (None, events)
    assert peak < 8 << 20


class LongLog:
    """Lines of a log that is never whole in memory: 200 records a statement."""

    def __init__(self, events: int) -> None:
        self.signing = make_key()
        self._events = events

    def lines(self) -> Iterator[bytes]:
        closing = list(self._groups(keep=False))[-1][0]
        yield closing
        for statement, records in self._groups(keep=True):
            yield from records
            yield statement

    def _groups(self, *, keep: bool) -> Iterator[tuple[bytes, list[bytes]]]:
        template = DoorLog()
        template.add(1, grant="g1")
        data, opening = template.events[0], template.openings[0]
        end, first = GENESIS, 1
        while first <= self._events:
            last = min(first + 199, self._events)
            prev, records = end, []
            for seq in range(first, last + 1):
                event = data.replace(b'"seq":1,', b'"seq":%d,' % seq)
                end = chain(end, event)
                if keep:
                    records.append(record_line(event, opening))
            said = Statement(door="hall-1", log=LOG, first=first, prev=prev, last=last, hash=end)
            sealed = parse_object(seal(canonical(said), STATEMENT_TYP, self.signing), "statement")
            yield canonical({"statement": sealed}) + b"\n", records
            first = last + 1
