"""Commands: what is signed, and encrypted to the door; and payloads whose signature held and that say what none may."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from controller.formats import command
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.jwk import Signer
from tests.vectors.encrypted_cases import READERS, encrypted
from tests.vectors.keys import NOW, ed25519_key, es256_key, seeded

KEYS: dict[str, Signer] = {"Ed25519": ed25519_key("command key"), "ES256": es256_key("command key")}
CHALLENGE = seeded("challenge", 16).hex()


def commands() -> dict[str, Any]:
    good = []
    for verb in ("release", "attended", "lockdown", "resume", "self_test"):
        made = command.Command(
            by="desk-1", challenge=CHALLENGE, door="hall-1", reason='a "quoted" reason', verb=verb,
            until=NOW + 3_600 if verb == "attended" else None,
        )  # fmt: skip
        envelopes = {alg: seal(canonical(made), command.TYP, key) for alg, key in KEYS.items()}
        texts = {
            alg: {
                curve: encrypted(envelope, reader.encrypt_key, f"{verb} {alg}", typ=command.TYP)
                for curve, reader in READERS.items()
            }
            for alg, envelope in envelopes.items()
        }
        good.append(
            {
                "command": json.loads(canonical(made)),
                "envelopes": {alg: envelope.decode() for alg, envelope in envelopes.items()},
                "encrypted": texts,
            }
        )
    return {
        "typ": command.TYP,
        "keys": {alg: key.verify_key.jwk() for alg, key in KEYS.items()},
        "readers": {curve: reader.jwk() for curve, reader in READERS.items()},
        "good": good,
        "bad": _bad(canonical(good[0]["command"])),
    }


def _bad(payload: bytes) -> list[dict[str, str]]:
    def changed(change: Callable[[dict[str, Any]], object]) -> str:
        members = json.loads(payload)
        change(members)
        return canonical(members).decode()

    def put(**members: Any) -> str:
        return changed(lambda command: command.update(members))

    text = payload.decode()
    cases = [
        ("an unknown verb", put(verb="open"), "bad_schema"),
        ("verb in upper case", put(verb="RELEASE"), "bad_schema"),
        ("two verbs", put(verb=["release", "lockdown"]), "bad_schema"),
        ("an hour for a release", put(until=NOW), "bad_schema"),
        ("attended without an end", put(verb="attended"), "bad_schema"),
        ("an end before 1970", put(verb="attended", until=-1), "bad_schema"),
        ("an end as text", put(verb="attended", until=str(NOW)), "bad_schema"),
        ("a challenge of 120 bits", put(challenge=CHALLENGE[:-2]), "bad_schema"),
        ("a challenge in upper case", put(challenge=CHALLENGE.upper()), "bad_schema"),
        ("a challenge with a line feed", put(challenge=CHALLENGE + "\n"), "bad_schema"),
        ("another door's id with a wildcard", put(door="hall-+"), "bad_schema"),
        ("a terminal's control characters", put(reason="\x1b[31m"), "bad_schema"),
        ("nobody asked", put(by=""), "bad_schema"),
        ("a reason of 101 characters", put(reason="x" * 101), "bad_schema"),
        ("a name that is not ASCII", put(by="Zoë"), "bad_schema"),
        ("no reason", changed(lambda command: command.pop("reason")), "bad_schema"),
        ("a member too many", put(seconds=5), "bad_schema"),
        ("a member named twice", text[:-1] + ',"verb":"lockdown"}', "duplicate_member"),
        ("an array", f"[{text}]", "bad_schema"),
        ("bytes after the end", text + "x", "not_json"),
    ]
    return [{"name": name, "payload": payload, "refused": code} for name, payload, code in cases]
