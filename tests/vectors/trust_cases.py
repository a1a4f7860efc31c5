"""Trust documents: payloads, signed documents, and which may follow which."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from controller.formats import jwe, trust, trust_step
from controller.formats.encoding import b64, canonical
from controller.formats.envelope import seal
from controller.formats.jwk import Signer
from tests.vectors.keys import LIST_KEYS, NOW, RECEIPT_KEY, ed25519_key, es256_key

DAY_S = 86_400
ROOTS: dict[str, list[Signer]] = {
    "Ed25519": [ed25519_key(f"root {number}") for number in (1, 2, 3)],
    "ES256": [es256_key(f"root {number}") for number in (1, 2, 3)],
}
NEW_ROOT = ed25519_key("root 4")
COLLECT_KEY = jwe.load_private(
    {name: value for name, value in es256_key("collect").key.jwk().items() if name in {"kty", "crv", "x", "y", "d"}}
)


def document(roots: Sequence[Signer], **changes: Any) -> trust.Trust:
    """Version 1 of a town with a list key for its halls and its annex."""
    signing: list[tuple[trust.Purpose, dict[str, str]]] = [
        ("list", LIST_KEYS["ES256"].verify_key.jwk()),
        ("receipt", RECEIPT_KEY.verify_key.jwk()),
        ("collect", COLLECT_KEY.encrypt_key.jwk()),
    ]
    made = trust.Trust(
        version=1, epoch=1, issued=NOW, expires=NOW + 365 * DAY_S, threshold=2, authorities=(), time_floor=None,
        roots=tuple(root.verify_key.jwk() for root in roots),
        keys=tuple(
            trust.TrustKey(
                jwk=jwk, purpose=purpose, state="active", doors=("hall-", "annex"), expires=NOW + 170 * DAY_S
            )
            for purpose, jwk in signing
        ),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def trusts() -> dict[str, Any]:
    roots = ROOTS["Ed25519"]
    payload = canonical(document(roots))
    documents = [_documents(alg, named) for alg, named in ROOTS.items()]
    return {
        "typ": trust_step.TYP,
        "good": [{"payload": payload.decode()}, {"payload": canonical(_for_the_cleaners(roots)).decode()}],
        "bad": [{"name": name, "payload": bad.decode(), "refused": code} for name, bad, code in _bad_payloads(payload)],
        "documents": documents,
    }


def _for_the_cleaners(roots: Sequence[Signer]) -> trust.Trust:
    """The same with a list key for two kinds of grants only."""
    made = document(roots)
    limited = msgspec.structs.replace(made.keys[0], kinds=("cleaning", "technical"))
    return msgspec.structs.replace(made, keys=(limited, *made.keys[1:]))


def _bad_payloads(payload: bytes) -> list[tuple[str, bytes, str]]:
    def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
        members = json.loads(payload)
        change(members)
        return canonical(members)

    return [
        ("a key named twice", changed(lambda m: m["keys"].append(m["keys"][0] | {"state": "revoked"})), "bad_trust"),
        ("a root that is also a list key", changed(lambda m: m["keys"][1].update(jwk=m["roots"][0])), "bad_trust"),
        ("a root named twice", changed(lambda m: m["roots"].append(m["roots"][0])), "bad_trust"),
        ("more signatures than roots", changed(lambda m: m.update(threshold=4)), "bad_trust"),
        ("over before it begins", changed(lambda m: m.update(expires=m["issued"])), "bad_trust"),
        ("one signature is enough", changed(lambda m: m.update(threshold=1)), "bad_schema"),
        ("one root", changed(lambda m: m.update(roots=m["roots"][:1])), "bad_schema"),
        ("a point that is not on its curve", changed(lambda m: m["keys"][0]["jwk"].update(y=m["keys"][0]["jwk"]["x"])),
         "bad_key"),
        ("a signing key to encrypt to", changed(lambda m: m["keys"][2].update(jwk=m["roots"][0] | {"x": "A" * 43})),
         "bad_key"),
        ("unknown purpose", payload.replace(b'"receipt"', b'"unlock"'), "bad_schema"),
        ("unknown state", payload.replace(b'"active"', b'"trusted"', 1), "bad_schema"),
        ("no kind of grant", changed(lambda m: m["keys"][0].update(kinds=[])), "bad_schema"),
        ("an unknown kind of grant", changed(lambda m: m["keys"][0].update(kinds=["thief"])), "bad_schema"),
        ("kinds null", changed(lambda m: m["keys"][0].update(kinds=None)), "bad_schema"),
        ("lives for more than 13 months", changed(lambda m: m.update(expires=NOW + 395 * DAY_S + 1)), "bad_trust"),
        ("an online key that lives for more than 180 days",
         changed(lambda m: m["keys"][1].update(expires=NOW + 180 * DAY_S + 1)), "bad_trust"),
        ("a member too many", changed(lambda m: m.update(note="")), "bad_schema"),
    ]  # fmt: skip


def _documents(alg: str, roots: list[Signer]) -> dict[str, Any]:
    """A first version, one that may follow it, and many that may not."""
    first = trust_step.sign(canonical(document(roots)), roots[:2])
    replaced = [*roots[1:], NEW_ROOT]
    second = canonical(document(replaced, version=2, issued=NOW + DAY_S))
    bad = [{"name": name, "document": data.decode(), "refused": code} for name, data, code in _bad_steps(roots, second)]
    return {
        "alg": alg,
        "first": first.decode(),
        "hash": trust_step.trust_hash(canonical(document(roots))),
        "next": trust_step.sign(second, [roots[1], roots[2]]).decode(),
        "bad": bad,
    }


def _bad_steps(roots: list[Signer], second: bytes) -> list[tuple[str, bytes, str]]:
    def version(number: int, signers: list[Signer], **changes: Any) -> bytes:
        return trust_step.sign(canonical(document(roots, version=number, **changes)), signers)

    signed = json.loads(trust_step.sign(second, [roots[1], roots[2]]))
    one, other = signed["signatures"]
    broken = {**other, "signature": one["signature"]}
    strangers = [ed25519_key("stranger 1"), ed25519_key("stranger 2")]
    wrong_typ = json.loads(seal(second, "zs-list-1", roots[2]))
    wrong = {name: wrong_typ[name] for name in ("protected", "signature")}
    return [
        ("one signature", trust_step.sign(second, [roots[1]]), "bad_threshold"),
        ("a threshold of the new roots only", trust_step.sign(second, [roots[2], NEW_ROOT]), "bad_threshold"),
        ("a threshold of the old roots only", trust_step.sign(second, [roots[0], roots[1]]), "bad_threshold"),
        ("one key counted twice", canonical({**signed, "signatures": [one, one]}), "duplicate_signature"),
        ("one signature does not hold", canonical({**signed, "signatures": [one, broken]}), "bad_signature"),
        ("a stranger among the signers", trust_step.sign(second, [roots[1], roots[2], strangers[0]]), "unknown_key"),
        ("strangers' roots", trust_step.sign(canonical(document(strangers, version=2)), strangers), "bad_threshold"),
        ("a signature for another purpose", canonical({**signed, "signatures": [one, wrong]}), "wrong_type"),
        ("a version left out", version(3, roots[:2]), "trust_gap"),
        ("the same version again", version(1, roots[:2], issued=NOW + 1), "trust_gap"),
        ("the key epoch goes back", version(2, roots[:2], epoch=0), "bad_schema"),
        ("issued before the one before", version(2, roots[:2], issued=NOW - 1), "issued_back"),
        ("no signatures", canonical({**signed, "signatures": []}), "bad_schema"),
        ("another payload", canonical({**signed, "payload": b64(second.replace(b'"version":2', b'"version":3'))}),
         "bad_signature"),
        ("an unprotected header", canonical({**signed, "header": {}}), "bad_schema"),
    ]  # fmt: skip
