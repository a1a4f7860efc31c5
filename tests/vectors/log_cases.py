"""What travels between a door and its hub besides lists: events, statements, receipts, states, trust, socket lines."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from controller.formats import code_list, event, messages, state
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from tests.vectors.keys import DOOR_KEY, NOW, RECEIPT_KEY, seeded

LOG = seeded("log", 8).hex()
OPENING = event.Opening(nonce=seeded("nonce", 16).hex(), grant="r-2026-0117", credential="p-1")


def sample_events() -> list[event.Event]:
    first = event.Event(
        door="hall-1", log=LOG, seq=1, at=NOW * 1000, clock="floor", kind="boot", detail={"version": "0.1.0"}
    )
    refused = event.Event(
        door="hall-1", log=LOG, seq=2, at=NOW * 1000 + 1, clock="synced", kind="refused", reason="unknown_code",
        credential="pin", detail={"tries": 9, "length": 6},
    )  # fmt: skip
    granted = event.Event(
        door="hall-1", log=LOG, seq=3, at=NOW * 1000 + 5_000, clock="synced", kind="granted", reason="granted",
        who=OPENING.commitment(), credential="pin",
        detail={"list": NOW, "contact": None, "offline": False, "text": 'a "quoted" \\ word'},
    )  # fmt: skip
    moved = event.Event(
        door="hall-1", log=LOG, seq=4, at=NOW * 1000 + 6_000, clock="synced", kind="opened", detail={},
        was=event.Place(log=seeded("old log", 8).hex(), seq=17),
    )  # fmt: skip
    return [first, refused, granted, moved]


def chained() -> list[tuple[event.Event, bytes, str, str]]:
    """(event, bytes, hash before, hash) of each sample."""
    previous, rows = event.GENESIS, []
    for sample in sample_events():
        data = canonical(sample)
        following = event.chain(previous, data)
        rows.append((sample, data, previous, following))
        previous = following
    return rows


def events() -> dict[str, Any]:
    good = [
        {"event": json.loads(data), "bytes": data.decode(), "prev": previous, "hash": digest}
        for _, data, previous, digest in chained()
    ]
    plain = good[0]["bytes"]
    bad = [
        ("white space", plain.replace('"seq":1', '"seq": 1'), "not_canonical"),
        ("null instead of left out", plain[:-1] + ',"who":null}', "not_canonical"),
        ("escape without need", plain.replace("hall-1", "h\\u0061ll-1"), "not_canonical"),
        ("minus zero", plain.replace(f'"at":{NOW * 1000}', '"at":-0'), "not_canonical"),
        ("fraction in detail", plain.replace('"0.1.0"', "0.5"), "bad_schema"),
        ("nested detail", plain.replace('"0.1.0"', "[]"), "bad_schema"),
        ("detail not ASCII", plain.replace("0.1.0", "é"), "bad_schema"),
        ("unknown kind", plain.replace("boot", "opened_by_magic"), "bad_schema"),
        ("sequence 0", plain.replace('"seq":1', '"seq":0'), "bad_schema"),
        ("number 0 in was", plain[:-1] + f',"was":{{"log":"{LOG}","seq":0}}}}', "bad_schema"),
        ("door twice", plain[:-1] + ',"door":"hall-1"}', "duplicate_member"),
    ]
    opening = msgspec.to_builtins(OPENING) | {"who": OPENING.commitment()}
    return {
        "genesis": event.GENESIS,
        "opening": opening,
        "good": good,
        "bad": [{"name": name, "bytes": text, "refused": code} for name, text, code in bad],
    }


def sample_statement() -> event.Statement:
    rows = chained()
    return event.Statement(door="hall-1", log=LOG, first=1, prev=event.GENESIS, last=len(rows), hash=rows[-1][3])


def statements() -> dict[str, Any]:
    statement = sample_statement()
    payload = canonical(statement)
    envelope = seal(payload, event.STATEMENT_TYP, DOOR_KEY)
    records = [
        {"event": json.loads(data)} | ({} if made.who is None else {"opening": msgspec.to_builtins(OPENING)})
        for made, data, _, _ in chained()
    ]
    batch = canonical({"statement": json.loads(envelope), "records": records})
    backwards = canonical(msgspec.structs.replace(statement, first=statement.last + 1))
    bad = [
        ("first after last", backwards, "bad_schema"),
        ("hash in upper case", payload.replace(statement.hash.encode(), statement.hash.upper().encode()), "bad_schema"),
        ("no prev", payload.replace(b',"prev":"' + event.GENESIS.encode() + b'"', b""), "bad_schema"),
    ]
    return {
        "typ": event.STATEMENT_TYP,
        "key": DOOR_KEY.verify_key.jwk(),
        "good": [{"statement": json.loads(payload), "envelope": envelope.decode(), "batch": batch.decode()}],
        "bad": [{"name": name, "payload": data.decode(), "refused": code} for name, data, code in bad],
    }


def receipts() -> dict[str, Any]:
    statement = sample_statement()
    receipt = event.Receipt(
        door="hall-1", log=LOG, seq=statement.last, hash=statement.hash, number=NOW + 60, issued=NOW + 60
    )
    nothing = msgspec.structs.replace(receipt, seq=0, hash=event.GENESIS, number=NOW)
    payload = canonical(receipt)
    bad = [
        ("hash too short", payload.replace(statement.hash.encode(), statement.hash[1:].encode()), "bad_schema"),
        ("number 0", payload.replace(b'"number":%d' % receipt.number, b'"number":0'), "bad_schema"),
        ("unknown member", payload[:-1] + b',"open":true}', "bad_schema"),
    ]
    return {
        "typ": event.RECEIPT_TYP,
        "key": RECEIPT_KEY.verify_key.jwk(),
        "good": [
            {
                "receipt": msgspec.to_builtins(made),
                "envelope": seal(canonical(made), event.RECEIPT_TYP, RECEIPT_KEY).decode(),
            }
            for made in (receipt, nothing)
        ],
        "bad": [{"name": name, "payload": data.decode(), "refused": code} for name, data, code in bad],
    }


def states() -> dict[str, Any]:
    report = state.StateReport(
        door="hall-1", at=NOW * 1000, clock="synced", list_version=NOW, list_hash=code_list.payload_hash(b"{}"),
        trust_version=1, receipt=NOW + 60, log=LOG, seq=3, posture="controlled", faults=("offline",),
    )  # fmt: skip
    envelope = seal(canonical(report), state.STATE_TYP, DOOR_KEY).decode()
    good = [{"state": msgspec.to_builtins(report), "envelope": envelope}]
    return {"typ": state.STATE_TYP, "key": DOOR_KEY.verify_key.jwk(), "offline": state.OFFLINE.decode(), "good": good}


def socket_lines() -> dict[str, Any]:
    sent: dict[str, list[msgspec.Struct]] = {
        "from camera": [messages.CameraRead("ZS1:…"), messages.CameraAlive(12)],
        "from agent": [messages.Deliver("list", "{…}"), messages.Link(True)],
        "from display": [messages.DisplayAlive(1)],
        "to agent": [messages.Hello("hall-1", ()), messages.SendBatch(3, "{…}"), messages.SendState("{…}")],
    }
    good = [
        {"socket": socket, "line": messages.encode_line(message).decode().rstrip("\n")}
        for socket, spoken in sent.items()
        for message in spoken
    ]
    bad = [
        ("from camera", "a verb of another socket", '{"type":"link","up":true}', "bad_schema"),
        ("from display", "a verb of another socket", '{"text":"ZS1:…","type":"read"}', "bad_schema"),
        ("from agent", "a verb that does not exist", '{"type":"open"}', "bad_schema"),
        ("from agent", "no type", '{"up":true}', "bad_schema"),
        ("from agent", "type twice", '{"type":"link","up":true,"type":"link"}', "duplicate_member"),
        ("from agent", "not JSON", "up", "not_json"),
    ]
    refused = [{"socket": at, "name": name, "line": line, "refused": code} for at, name, line, code in bad]
    return {"good": good, "bad": refused}
