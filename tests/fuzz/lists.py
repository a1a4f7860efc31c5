"""Deliveries from a hostile hub side: a genuine signed list bent as bytes, as an envelope, as a payload signed anew.

A payload that is bent and then signed with the real key may be a list the door has to take: the issuer's word counts.
What must hold then is that it was taken whole and is as strict as any other; a code of nobody never opens.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from controller.formats import code_list as formats
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.jwk import make_key
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import code_list, grant
from tests.fuzz.mutations import bent_bytes, bent_document
from tests.fuzz.outcome import Found, Outcome

GOOD_PIN, NOBODYS_PIN = "482913", "111111"
RESTART_EVERY = 200


def fuzz(n: int, seed: int, tell: Callable[[int], None]) -> Outcome:
    """Raises Found."""
    random, outcome, town = Random(seed), Outcome(), Town()
    with tempfile.TemporaryDirectory(prefix="zs-") as folder:
        unit = EnrolledUnit(Path(folder) / "door", town)
        genuine = code_list(grant(pin=GOOD_PIN))
        unit.deliver_list(genuine)
        if unit.unit.floors.list_version != genuine.version:
            raise Found("the genuine list was not taken, so nothing is tried")
        sealed, document, foreign = town.sealed(genuine), json.loads(formats.dump(genuine)), make_key()
        envelope = json.loads(sealed)
        for count in range(n):
            kind = random.choice(("bytes", "cipher", "envelope", "payload", "foreign key", "plain"))
            match kind:
                case "bytes":
                    text = unit.encrypted(bent_bytes(sealed.encode(), random).decode("utf-8", "replace"))
                case "cipher":
                    text = bent_bytes(unit.encrypted(sealed).encode(), random).decode("utf-8", "replace")
                case "envelope":
                    text = unit.encrypted(_json(bent_document(envelope, random)))
                case "payload":
                    bent = _json(bent_document(document, random)).encode()
                    text = unit.encrypted(seal(bent, formats.TYP, town.keys["list"]).decode())
                case "foreign key":
                    newer = {**document, "version": document["version"] + 1 + count}
                    text = unit.encrypted(seal(canonical(newer), formats.TYP, foreign).decode())
                case _:
                    text = bent_bytes(sealed.encode(), random).decode("utf-8", "replace")
            before = unit.unit.floors.list_version
            _try(unit, text, kind)
            after = unit.unit.floors.list_version
            if after < before or (after != before and kind != "payload"):
                raise Found(f"{kind}: taken as version {after} after {before}: {text!r}")
            outcome.count(f"{kind}, {'taken' if after != before else 'refused'}")
            if count % RESTART_EVERY == 0:
                unit.clock.passed_ms += 3_600_000  # tries come back
                unit.keys(f"{NOBODYS_PIN}#")
                _no_grant(unit, "a code of nobody")
            tell(count + 1)
        unit.unit.log.close()
    return outcome


def _try(unit: EnrolledUnit, text: str, kind: str) -> None:
    try:
        unit.deliver("list", text)
    except Exception as crash:
        raise Found(f"{kind}: {crash!r} from {text!r}") from crash
    _no_grant(unit, text)


def _no_grant(unit: EnrolledUnit, what: str) -> None:
    if unit.lock.releases:
        raise Found(f"the lock moved after {what!r}")


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
