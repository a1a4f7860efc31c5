"""Beside what one would write instead: what finding a code costs, without relay, record or network.

A hobby controller keeps a list of people and their PINs and goes through it at each entry; a ticket scanner asks a
database per scan. Both compare the PIN itself or a plain hash of it, which a stolen card gives away; the door derives a
verifier on purpose slowly, once per entry, and then decides in a dictionary. The code typed is the last of the list.
The budget says that the derivation is all that our door may cost more.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress

from controller.decide import Installed, Moment, PinPresented, decide
from controller.formats import pin
from controller.formats.code_list import PinKdf
from controller.formats.encoding import b64
from tests.bench.bench_door import GRANTS, KNOWN, make_list, pin_of
from tests.bench.measure import Result, against_floor

TIMES = 200
"""Decisions of one turn, or a dictionary would be too quick to time."""


def instead(folder: Path, progress: Progress) -> list[Result]:
    """`decide` among 5,000 grants against a linear scan of people and against one SQL query, derivation apart."""
    kdf, now_s = PinKdf(salt=b64(os.urandom(16)), memory_kib=8, iterations=1), int(time.time())
    last = pin_of(KNOWN - 1)
    installed, moment = Installed(make_list(GRANTS, kdf, now_s)), Moment(now_s, trusted=True, floor_s=0)
    verifier = pin.derive(last, kdf)
    people = [
        {"name": f"person {number}", "pin": f"{number:07d}", "from": now_s - 3_600, "until": now_s + 3_600}
        for number in range(GRANTS - 1)
    ]
    people.append({"name": "the last", "pin": last, "from": now_s - 3_600, "until": now_s + 3_600})
    tickets = _tickets(folder / "tickets.db", people)

    def ours() -> None:
        for _ in range(TIMES):
            decide(installed, PinPresented(verifier), moment)

    def scanned() -> None:
        for _ in range(TIMES):
            for person in people:
                if person["pin"] == last and person["from"] <= now_s < person["until"]:  # type: ignore[operator]
                    break

    def asked() -> None:
        digest = hashlib.sha256(last.encode()).hexdigest()
        for _ in range(TIMES):
            tickets.execute("SELECT name, valid_from, valid_until FROM tickets WHERE code = ?", (digest,)).fetchone()

    each = f"decide among {GRANTS:,}, {TIMES} times, against"
    return [
        *against_floor(f"{each} a linear scan of people", ours, scanned, {50: 1.0}, progress, rounds=40),
        *against_floor(f"{each} an SQL query per scan", ours, asked, {50: 1.0}, progress, rounds=40),
    ]


def _tickets(path: Path, people: list[dict[str, object]]) -> sqlite3.Connection:
    """A ticket scanner's table, with an index, as such an application has it."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE tickets (code TEXT PRIMARY KEY, name TEXT, valid_from TEXT, valid_until TEXT)")
    rows = [
        (
            hashlib.sha256(str(person["pin"]).encode()).hexdigest(),
            person["name"],
            datetime.fromtimestamp(int(str(person["from"])), UTC).isoformat(),
            datetime.fromtimestamp(int(str(person["until"])), UTC).isoformat(),
        )
        for person in people
    ]
    database.executemany("INSERT OR IGNORE INTO tickets VALUES (?, ?, ?, ?)", rows)
    database.commit()
    return database
