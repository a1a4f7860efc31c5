"""`python -m tests.mutants.hunt DOOR_DAYS [FIRST_SEED]`: worlds, seed after seed, until something is not true.

Prints what as one JSON object; exit status 0 when found, 1 when all door-days went by well. Runs inside a copy of the
project that has a bug in it.
"""

from __future__ import annotations

import json
import sys

from simulator.campaign import Failure, plans, play


def main(door_days: int, first_seed: int) -> int:
    """Play worlds until one fails."""
    played = 0.0
    for plan in plans(door_days, first_seed):
        outcome = play(plan)
        played += plan.days * plan.doors
        if isinstance(outcome, Failure):
            found = {"invariant": outcome.invariant, "text": outcome.text, "seed": plan.seed, "replay": plan.command()}
            print(json.dumps({**found, "door_days": round(played)}))
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
