"""Texts before the camera: payment codes, links, binary, passes bent in every bit, at a door whose list knows one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from controller.decide import Moment, QrPresented, decide
from controller.door_events import QrRead, Release
from controller.formats.reasons import Reason
from tests.controller.worlds import NOON, Bench, grant, installed, token
from tests.fuzz.mutations import bent_bytes
from tests.fuzz.outcome import Found, Outcome

FOREIGN = (
    "BCD\n002\n1\nSCT\nGKCCBEBB\nGemeente\nBE68539007547034\nEUR12.5\n\n+++090/9337/55493+++",
    "https://example.org/?q=ZS1:",
    "BEGIN:VCARD\nVERSION:3.0\nN:De Smet;Jan\nEND:VCARD",
    "HC1:6BFOXN%TSMAHN-H",
    "ZSE1:AAAA",
    "zs1:" + "A" * 56,
    "' OR 1=1; --",
    "",
)
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def fuzz(n: int, seed: int, tell: Callable[[int], None]) -> Outcome:
    """Raises Found."""
    random, outcome = Random(seed), Outcome()
    known = token()
    rules = installed(grant(qr=known))
    bench = Bench(installed=rules)
    moment = Moment(NOON + 60, True, NOON - 60)
    for count in range(n):
        text = _text(known, random)
        if text == known:
            continue
        try:
            verdict = decide(rules, QrPresented(text), moment)
            effects = bench.step(QrRead(text)) if count % 50 == 0 else []
        except Exception as crash:
            raise Found(f"{crash!r} from {text!r}") from crash
        if verdict.granted or any(isinstance(effect, Release) for effect in effects):
            raise Found(f"granted: {text!r}")
        if verdict.reason is Reason.FOREIGN and text.startswith("ZS1:") and len(text.encode()) <= 256:
            raise Found(f"a pass called foreign: {text!r}")
        outcome.count(str(verdict.reason))
        bench.effects.clear()
        tell(count + 1)
    return outcome


def _text(known: str, random: Random) -> str:
    match random.randrange(5):
        case 0:
            return random.choice(FOREIGN)
        case 1:
            return random.randbytes(random.choice((1, 60, 300, 3_000))).decode("latin-1")
        case 2:
            return bent_bytes(known.encode(), random).decode("utf-8", "replace")
        case 3:
            at = random.randrange(4, len(known))
            return known[:at] + random.choice(BASE32) + known[at + 1 :]
        case _:
            return "ZS1:" + "".join(random.choices(BASE32, k=random.choice((55, 56, 57))))
