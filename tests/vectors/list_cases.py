"""QR passes, PIN verifiers and code lists."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import msgspec

from controller.formats import code_list, qr_pass
from controller.formats.encoding import b64, canonical
from controller.formats.envelope import seal
from controller.formats.pin import derive
from tests.vectors.keys import ENTRANCE_KEY, FOURTH_KEY, LIST_KEYS, NOW, OLD_ROOM_KEY, ROOM_KEY, TYP, seeded


def passes() -> dict[str, Any]:
    groups = {"room": ROOM_KEY, "room before": OLD_ROOM_KEY, "entrance": ENTRANCE_KEY, "another room": FOURTH_KEY}
    start, hour, number = NOW - NOW % 60, 60, NOW - NOW % 60 + 60
    made = {
        "no group: only by list": (start, hour, number, []),
        "one group": (start, 4 * hour, number, ["room"]),
        "two groups": (start + 86_400, 90, number, ["entrance", "room"]),
        "three groups": (start, 24 * hour, number, ["entrance", "room", "another room"]),
        "the key before this one": (start, hour, number, ["room before"]),
        "length 0": (start, 0, number, ["room"]),
        "longer than 24 hours": (start, 24 * hour + 1, number, ["room"]),
        "starts exactly 7 days ahead": (number + 7 * 86_400, hour, number, ["room"]),
        "starts a minute too far ahead": (number + 7 * 86_400 + 60, hour, number, ["room"]),
        "smallest bytes": (qr_pass.EPOCH_S, 0, 1, []),
        "largest bytes": (qr_pass.EPOCH_S + 60 * 0xFFFFFF, 0xFFFF, 0xFFFFFFFF, ["room"]),
    }
    good = []
    for name, (start_s, minutes, statement, tagged) in made.items():
        keys = [groups[group] for group in tagged]
        qr = qr_pass.make_pass(seeded(f"id {name}", 5), start_s, minutes, statement, keys, seeded(f"fill {name}", 20))
        good.append(
            {
                "name": name,
                "text": qr.text(),
                "token": qr.token.hex(),
                "credential": qr.credential,
                "start_s": start_s,
                "until_s": start_s + 60 * minutes,
                "length_minutes": minutes,
                "number": statement,
                "tagged_by": tagged,
                "list_hash": qr.list_hash,
                "may_stand_alone": qr.may_stand_alone,
            }
        )
    return {"group_keys": {name: b64(key) for name, key in groups.items()}, "good": good, "bad": bad_passes()}


def bad_passes() -> list[dict[str, str]]:
    fair = qr_pass.make_pass(b"\1\2\3\4\5", NOW - NOW % 60, 60, NOW, [ROOM_KEY], bytes(20))

    def text(token: bytes) -> str:
        return qr_pass.PREFIX + base64.b32encode(token).decode()

    bad = {
        "empty after the prefix": "ZS1:",
        "one character short": fair.text()[:-1],
        "one character long": fair.text() + "A",
        "lower case": "ZS1:" + fair.text()[4:].lower(),
        "a digit outside Base32": fair.text()[:-1] + "1",
        "not ASCII": fair.text()[:-1] + "É",
        "Base32 padding": fair.text()[:-3] + "===",
        "nothing but padding": "ZS1:" + "=" * 56,
        "line feed": fair.text()[:-1] + "\n",
        "version 2": text(bytes([0x20]) + fair.token[1:]),
        "four tags": text(bytes([0x14]) + fair.token[1:]),
        "byte after the only tag": text(fair.token[:-1] + b"\1"),
        "byte after three tags": text(bytes([0x13]) + fair.token[1:33] + b"\0\1"),
    }
    return [{"name": name, "text": value, "refused": "malformed"} for name, value in bad.items()]


KDF = code_list.PinKdf(salt=b64(seeded("salt", 16)))


def pins() -> dict[str, Any]:
    light = code_list.PinKdf(salt=b64(seeded("other salt", 16)), memory_kib=64, iterations=1)
    cases = [("482913", KDF), ("000000", KDF), ("48291377", KDF), ("482913", light)]
    return {
        "cases": [{"pin": pin, "kdf": msgspec.to_builtins(kdf), "verifier": derive(pin, kdf)} for pin, kdf in cases]
    }


def full_list() -> code_list.CodeList:
    """A list in which every kind of member occurs."""
    qr = qr_pass.make_pass(seeded("list qr", 5), NOW - NOW % 60, 270, NOW, [ROOM_KEY], bytes(20))
    renter = code_list.Grant(
        id="r-2026-0117", kind="renter", active=True, windows=((NOW + 900, NOW + 17_100), (NOW + 17_100, NOW + 20_700)),
        max_uses=None, offline_ok=False, pins=(code_list.PinEntry("p-1", derive("482913", KDF), False),),
        qrs=(code_list.QrEntry(qr.credential, qr.list_hash),),
    )  # fmt: skip
    cleaner = code_list.Grant(
        id="staff.7", kind="cleaning", active=False, windows=(), max_uses=3, offline_ok=True,
        pins=(code_list.PinEntry("p-1", derive("000000", KDF), True),), qrs=(),
    )  # fmt: skip
    return code_list.CodeList(
        door="hall-1", epoch=1, version=NOW, issued=NOW, refresh_after=NOW + 86_400, valid_until=NOW + 21 * 86_400,
        shrink=False, policy=code_list.Policy(help="Bel 09 000 00 00 – zaalwachter", languages=("nl", "fr")),
        posture=code_list.Posture(state="unlocked", since=NOW, until=NOW + 3_600), pin_kdf=KDF,
        grants=(renter, cleaner),
        closures=(code_list.Closure(from_=NOW + 900, until=NOW + 1_800, reason="room_not_ready"),),
        pass_keys=(code_list.PassKey("room", b64(ROOM_KEY)), code_list.PassKey("room", b64(OLD_ROOM_KEY)),
                   code_list.PassKey("entrance", b64(ENTRANCE_KEY))),
    )  # fmt: skip


def lists() -> dict[str, Any]:
    full = full_list()
    empty = msgspec.structs.replace(
        full, grants=(), closures=(), pass_keys=(), posture=None, shrink=True, policy=code_list.Policy()
    )
    good = []
    screen = code_list.Screen(
        room="Feestzaal 't Gelaag", leave={"nl": "Lichten uit, deur dicht.", "fr": "Éteignez tout."}
    )
    screened = msgspec.structs.replace(empty, policy=code_list.Policy(languages=("nl", "fr"), screen=screen))
    for name, made in {"every member": full, "empty": empty, "with a screen": screened}.items():
        payload = code_list.dump(made)
        envelopes_by_alg = {alg: seal(payload, TYP, key).decode() for alg, key in LIST_KEYS.items()}
        digest = code_list.payload_hash(payload)
        good.append({"name": name, "payload": payload.decode(), "hash": digest, "envelopes": envelopes_by_alg})
    return {"keys": {alg: key.verify_key.jwk() for alg, key in LIST_KEYS.items()}, "good": good, "bad": bad_lists()}


def bad_lists() -> list[dict[str, str]]:
    def edited(edit: Callable[[dict[str, Any]], object]) -> str:
        document = json.loads(code_list.dump(full_list()))
        edit(document)
        return canonical(document).decode()

    def put(path: str, value: Any) -> str:
        def edit(document: Any) -> None:
            *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
            for step in steps:
                document = document[step]
            document[last] = value

        return edited(edit)

    text = code_list.dump(full_list()).decode()
    overlap = [[NOW, NOW + 60], [NOW + 59, NOW + 90]]
    second = [["p-9", json.loads(text)["grants"][0]["pins"][0][1], False]]
    cases = [
        ("unknown member", put("surprise", 1), "bad_schema"),
        ("missing member", edited(lambda document: document.pop("shrink")), "bad_schema"),
        ("unknown policy member", put("policy.pin_length", 6), "bad_schema"),
        ("five digits", put("policy.pin_digits", 5), "bad_schema"),
        ("version 2^32", put("version", 1 << 32), "bad_schema"),
        ("version as text", put("version", str(NOW)), "bad_schema"),
        ("issued with a fraction", text.replace(f'"issued":{NOW}', f'"issued":{NOW}.0'), "bad_schema"),
        ("door id with a line feed", put("door", "hall-1\n"), "bad_schema"),
        ("unknown kind", put("grants.0.kind", "guest"), "bad_schema"),
        ("verifier of 31 bytes", put("grants.0.pins.0.1", b64(bytes(31))), "bad_schema"),
        ("verifier with unused bits set", put("grants.0.pins.0.1", "A" * 42 + "B"), "bad_schema"),
        ("window of three", put("grants.0.windows.0", [1, 2, 3]), "bad_schema"),
        ("65 MiB of memory for a PIN", put("pin_kdf.memory_kib", 65 << 10), "bad_schema"),
        ("argon2i", put("pin_kdf.name", "argon2i"), "bad_schema"),
        ("grants twice", text[:-1] + ',"grants":[]}', "duplicate_member"),
        ("window ends before it starts", put("grants.0.windows", [[NOW, NOW]]), "bad_list"),
        ("windows overlap", put("grants.0.windows", overlap), "bad_list"),
        ("windows not sorted", put("grants.0.windows", [[NOW + 90, NOW + 99], [NOW, NOW + 60]]), "bad_list"),
        ("a grant id twice", put("grants.1.id", "r-2026-0117"), "bad_list"),
        ("a verifier in two grants", put("grants.1.pins", second), "bad_list"),
        ("refresh after the end", put("refresh_after", NOW + 22 * 86_400), "bad_list"),
        ("lockdown with an end", put("posture.state", "lockdown"), "bad_list"),
        ("closure ends before it starts", put("closures.0.until", NOW), "bad_list"),
        ("a language twice", put("policy.languages", ["nl", "nl"]), "bad_list"),
        ("no screen, said with null", put("policy.screen", None), "bad_schema"),
        ("a screen in Spanish", put("policy.screen", {"leave": {"es": "Adiós"}}), "bad_schema"),
        ("a screen with a control character", put("policy.screen", {"room": "Zaal\u0007"}), "bad_schema"),
        ("not JSON", text[:-1], "not_json"),
    ]
    return [{"name": name, "payload": payload, "refused": code} for name, payload, code in cases]
