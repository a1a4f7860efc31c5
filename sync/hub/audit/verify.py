"""Checks a log in a file that proves itself, line by line, in bounded memory.

    verdict = verify(read_lines(file), door_key)              # door_key None: chain and structure only
    verdict = verify(read_lines(file), door_key, checkpoints) # and against what the door signed earlier
    verdict.damage                                            # None, or the first thing wrong and where

The format is in controller/formats/exported_log.py; `export.py` writes it. A record carries no hash of its own, so
an altered one is placed between the two statements of the door that enclose it; whatever is missing, doubled or out of
order is placed exactly.

A checkpoint is one of the door's statements that somebody else kept. Who holds the door's key can make a new history
that fits in itself, and the hub can hand out an old one; neither fits a checkpoint of before.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from controller.formats.encoding import unb64
from controller.formats.envelope import open_nested
from controller.formats.errors import Refused
from controller.formats.event import STATEMENT_TYP, SealedStatement, Statement, chain, parse_statement
from controller.formats.exported_log import (
    LINE_BYTES,
    RecordLine,
    StatementLine,
    parse_line,
)
from controller.formats.jwk import VerifyKey
from controller.formats.limits import LIMITS

DamageKind = Literal[
    "unreadable", "not_canonical", "wrong_door", "wrong_log", "missing", "missing_statement", "duplicated", "inserted",
    "reordered", "altered", "bad_opening", "bad_statement", "bad_signature", "truncated", "trailing",
    "checkpoint",
]  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """The first thing wrong: somewhere in the records `first`..`last` (None where no number can be told), noticed at
    `line` (from 1)."""

    kind: DamageKind
    first: int | None
    last: int | None
    line: int
    text: str


@dataclass
class Verdict:
    """What a file proves. `redacted` counts events that name somebody without saying whom; `checkpoints` are the
    numbers at which the file agrees with a checkpoint, `not_compared` those the file does not reach back to."""

    signatures_checked: bool
    door: str | None = None
    log: str | None = None
    first: int | None = None
    last: int | None = None
    records: int = 0
    statements: int = 0
    redacted: int = 0
    checkpoints: list[int] = field(default_factory=list)
    not_compared: list[int] = field(default_factory=list)
    damage: Damage | None = None


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines with their ends; of an endless one only the start that proves it too long."""
    while line := file.readline(LINE_BYTES + 2):
        yield line


def read_checkpoints(lines: Iterable[bytes], door_key: VerifyKey | None) -> list[Statement]:
    """The statements in a checkpoint file, one statement line each. Raises Refused."""
    found = []
    for number, line in enumerate(lines, 1):
        try:
            parsed = parse_line(line.removesuffix(b"\n"))
            if not isinstance(parsed, StatementLine):
                raise Refused("bad_checkpoint", "", "a checkpoint is one of the door's statements")
            found.append(_opened(parsed.sealed, door_key))
        except Refused as refused:
            raise Refused(refused.code, f"line {number} {refused.where}".rstrip(), refused.text) from None
    if not found:
        raise Refused("bad_checkpoint", "", "it holds no checkpoint")
    return found


def verify(lines: Iterable[bytes], door_key: VerifyKey | None, checkpoints: Sequence[Statement] = ()) -> Verdict:
    """Check a file up to the first damage."""
    verdict = Verdict(signatures_checked=door_key is not None)
    check = _Check(verdict, door_key)
    for one in checkpoints:
        check.checkpoints[one.door, one.log, one.last].add(one.hash)
    try:
        for line in lines:
            check.line(line)
        check.end()
    except _Damaged as damaged:
        verdict.damage = damaged.damage
    return verdict


class _Damaged(Exception):
    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.text)
        self.damage = damage


@dataclass
class _Check:
    """Where the reading is. `group` holds the records since the last statement, at most as many as a batch may have;
    `hashes` the chain at the last numbers up to `next_seq - 1`, as far back as a statement may reach."""

    verdict: Verdict
    door_key: VerifyKey | None
    line_number: int = 0
    closing_line: bytes = b""
    closing: Statement | None = None
    closed: bool = False
    next_seq: int | None = None
    before_first: str = ""
    group: list[RecordLine] = field(default_factory=list)
    hashes: deque[str] = field(default_factory=lambda: deque(maxlen=LIMITS.batch_records + 1))
    # By door, log and number; of two hashes for one number, one is not of this history.
    checkpoints: defaultdict[tuple[str, str, int], set[str]] = field(default_factory=lambda: defaultdict(set))

    def line(self, line: bytes) -> None:
        self.line_number += 1
        if self.closed:
            raise self._damaged("trailing", self.next_seq, "more follows after the closing statement")
        if not line.endswith(b"\n"):
            kind: DamageKind = "unreadable" if len(line) > LINE_BYTES else "truncated"
            raise self._damaged_here(kind, "the line does not end, or is longer than any line may be")
        try:
            parsed = parse_line(line[:-1])
        except Refused as refused:
            kind = "not_canonical" if refused.code == "not_canonical" else "unreadable"
            raise self._damaged_here(kind, str(refused)) from None
        match parsed:
            case RecordLine() if self.closing is None:
                raise self._damaged("missing_statement", parsed.event.seq, "the file does not begin with a statement")
            case RecordLine():
                self._take(parsed)
            case StatementLine(sealed) if self.closing is None:
                self._open(line, self._statement(sealed))
            case StatementLine(sealed):
                self._close_group(self._statement(sealed))
                self.closed = line == self.closing_line

    def end(self) -> None:
        if self.closed:
            self._check_checkpoints_left()
            return
        if self.closing is None:
            raise self._damaged("truncated", None, "the file is empty")
        raise self._damaged_here("truncated", "the file ends before its closing statement", upto=self.closing.last)

    def _open(self, line: bytes, closing: Statement) -> None:
        self.closing_line, self.closing = line, closing
        self.verdict.door, self.verdict.log = closing.door, closing.log

    def _take(self, record: RecordLine) -> None:
        self.group.append(record)
        if len(self.group) > LIMITS.batch_records:
            raise self._damaged_here("missing_statement", "more records than one statement covers")

    # --- a statement and the records above it ---

    def _statement(self, sealed: SealedStatement) -> Statement:
        try:
            payload = _payload(sealed, self.door_key)
        except Refused as refused:
            raise self._damaged_here("bad_signature", str(refused)) from None
        try:
            return parse_statement(payload)
        except Refused as refused:
            raise self._damaged_here("bad_statement", str(refused)) from None

    def _close_group(self, statement: Statement) -> None:
        assert self.closing is not None
        if (statement.door, statement.log) != (self.closing.door, self.closing.log):
            raise self._damaged_here("bad_statement", "a statement about another log")
        if self.next_seq is None:
            self.next_seq = self.verdict.first = statement.first
            self.before_first = statement.prev
            self.hashes.append(statement.prev)
            if self.group and self.group[0].event.seq < statement.first:
                raise self._damaged("missing_statement", self.group[0].event.seq, "records before what is vouched for")
        self._check_records()
        after = self.next_seq + len(self.group)
        self._check_fit(statement, after)
        self._check_chain(statement)
        self.verdict.records += len(self.group)
        self.verdict.statements += 1
        self.verdict.redacted += sum(record.event.who is not None and record.opening is None for record in self.group)
        self.verdict.last = statement.last
        self.next_seq = after
        self.group.clear()

    def _check_records(self) -> None:
        """Numbers, door, log and openings of the group, in the order of the file."""
        assert self.closing is not None
        expected = self.next_seq if self.next_seq is not None else self.group[0].event.seq if self.group else 0
        for index, record in enumerate(self.group):
            event = record.event
            if event.door != self.closing.door:
                raise self._damaged("wrong_door", expected, "an event of another door")
            if event.log != self.closing.log:
                raise self._damaged("wrong_log", expected, "an event of another log")
            if event.seq < expected:
                earlier = [other.data for other in self.group[:index] if other.event.seq == event.seq]
                again = not earlier or record.data in earlier
                raise self._damaged("duplicated" if again else "inserted", event.seq, "this number was there already")
            if event.seq > expected:
                later = any(other.event.seq == expected for other in self.group[index:])
                kind: DamageKind = "reordered" if later else "missing"
                raise self._damaged(kind, expected, "not where it belongs", upto=expected if later else event.seq - 1)
            if record.opening is not None and record.opening.commitment() != event.who:
                raise self._damaged("bad_opening", expected, "the opening does not open this event's commitment")
            expected += 1

    def _check_fit(self, statement: Statement, after: int) -> None:
        """Whether the statement covers exactly what was read since the last one, up to `after - 1`."""
        assert self.next_seq is not None
        if statement.last < self.next_seq:
            raise self._damaged("duplicated", statement.last, "a statement that was there already")
        if statement.last >= after:
            raise self._damaged("missing", after, "the statement covers more", upto=statement.last)
        if statement.last < after - 1:
            raise self._damaged("inserted", statement.last + 1, "the statement covers less", upto=after - 1)
        if statement.first > self.next_seq:
            text = "no statement covers these"
            raise self._damaged("missing_statement", self.next_seq, text, upto=statement.first - 1)

    def _check_chain(self, statement: Statement) -> None:
        assert self.next_seq is not None
        back = self.next_seq - statement.first
        if back >= len(self.hashes):
            raise self._damaged("bad_statement", statement.first, "reaches back further than a batch can")
        if self.hashes[-1 - back] != statement.prev:
            raise self._damaged("bad_statement", statement.first, "does not follow the records before it")
        for record in self.group:
            self.hashes.append(chain(self.hashes[-1], record.data))
        if self.hashes[-1] != statement.hash:
            text = "at least one of these is not what the door recorded"
            raise self._damaged("altered", self.next_seq, text, upto=statement.last)
        if self.checkpoints:
            for record, reached in zip(reversed(self.group), reversed(self.hashes), strict=False):
                self._compare(statement, record.event.seq, reached)

    # --- what the door said before ---

    def _compare(self, statement: Statement, seq: int, reached: str) -> None:
        signed = self.checkpoints.pop((statement.door, statement.log, seq), None)
        if signed is None:
            return
        if signed != {reached}:
            text = "the door signed another history up to here"
            raise self._damaged("checkpoint", self.verdict.first, text, upto=seq)
        self.verdict.checkpoints.append(seq)

    def _check_checkpoints_left(self) -> None:
        """Checkpoints that no record answered: of another log, from before the file begins, or from after its end."""
        assert self.closing is not None
        first, last = self.verdict.first or 1, self.closing.last
        for (door, log, seq), signed in sorted(self.checkpoints.items()):
            if (door, log) != (self.closing.door, self.closing.log) or seq < first - 1:
                self.verdict.not_compared.append(seq)
            elif seq > last:
                text = "the door had signed for more than the file holds"
                raise self._damaged("checkpoint", last + 1, text, upto=seq)
            elif signed != {self.before_first}:
                raise self._damaged("checkpoint", first, "the door signed another history before this one")
            else:
                self.verdict.checkpoints.append(seq)
        self.verdict.checkpoints.sort()

    # --- naming the damage ---

    def _damaged(self, kind: DamageKind, first: int | None, text: str, upto: int | None = None) -> _Damaged:
        return _Damaged(Damage(kind, first, first if upto is None else upto, self.line_number, text))

    def _damaged_here(self, kind: DamageKind, text: str, upto: int | None = None) -> _Damaged:
        """Damage where the next record should be, unless the records read since the last statement already show an
        earlier one."""
        try:
            if self.closing is not None:
                self._check_records()
        except _Damaged as earlier:
            return earlier
        here = self.group[-1].event.seq + 1 if self.group else self.next_seq
        return self._damaged(kind, here, text, upto)


def _payload(sealed: SealedStatement, door_key: VerifyKey | None) -> bytes:
    if door_key is None:
        return unb64(sealed.payload, "statement.payload")
    envelope = {"payload": sealed.payload, "protected": sealed.protected, "signature": sealed.signature}
    return open_nested(envelope, STATEMENT_TYP, {door_key.thumbprint: door_key}).payload


def _opened(sealed: SealedStatement, door_key: VerifyKey | None) -> Statement:
    return parse_statement(_payload(sealed, door_key))
