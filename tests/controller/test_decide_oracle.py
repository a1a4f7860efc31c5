"""The door's verdicts against an oracle that was written from the rules alone (R002-12: no false accept, no false
refusal).

`ZS_ORACLE_CASES` and `ZS_ORACLE_SEED` ask for more, or for others; 100,000 cases take about ten seconds.
"""

import os
from collections import Counter

from controller.decide import Installed, Moment, PinPresented, QrPresented, Verdict, decide, screen_pin
from controller.formats.reasons import Reason
from tests.oracle.decide_oracle import Case, Opinion, cases, judge

CASES = int(os.environ.get("ZS_ORACLE_CASES", "100000"))
SEED = int(os.environ.get("ZS_ORACLE_SEED", "1"))


def ask_the_door(case: Case, installed: Installed | None) -> Verdict:
    moment = Moment(case.now_s, case.trusted, case.floor_s)
    if case.text is not None:
        return decide(installed, QrPresented(case.text), moment, case.posture, case.uses)
    reason = screen_pin(installed, case.pin_length, case.tries)
    if reason is not None:
        return Verdict(reason, via="pin")
    return decide(installed, PinPresented(case.verifier or ""), moment, case.posture, case.uses)


def test_door_and_oracle_agree_on_every_case():
    seen: Counter[str] = Counter()
    installed: Installed | None = None
    for number, case in enumerate(cases(SEED, CASES)):
        if case.code_list is not None and (installed is None or installed.list is not case.code_list):
            installed = Installed(case.code_list)
        verdict = ask_the_door(case, installed if case.code_list else None)
        told = verdict.shown is verdict.reason
        answer = Opinion(verdict.reason.value, verdict.grant, verdict.opens_at, told)
        assert answer == judge(case), f"case {number} of seed {SEED}: {case}"
        seen[answer.reason] += 1
    assert set(seen) == {reason.value for reason in Reason}, f"some reason never came up: {seen}"
