"""How a door climbs from the trust document it holds to the newest one, step by step.

Pure: bytes and the document in force in; the steps to take or `Refused` out. The door writes down each step before it
takes the next, so a power cut leaves it on a version that its predecessor vouched for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from controller.codelist import Floors
from controller.formats import trust_step
from controller.formats.errors import Refused
from controller.formats.trust import Trust
from controller.formats.trust_step import Step


def accept_kept(document: bytes, floors: Floors) -> Step:
    """The document found on disk at start, as it once arrived: judged again, and never older than what the floors say
    was in force. Raises Refused, `rolled_back` for an older one."""
    step = trust_step.open_first(document)
    if step.trust.version < floors.trust_version:
        raise Refused("rolled_back", "trust.version", "older than the trust document this door has had")
    return step


def climb(body: bytes, current: Step) -> Iterator[Step]:
    """The steps of a `trust` message above `current`, each verified by the one before. Versions the door is past are
    skipped; its own must be the same one.

    Raises Refused, after the steps before it were given: `trust_fork` for another document with the door's own version,
    and what `trust_step.open_next` raises. Any exception in here is a refusal."""
    try:
        for document in trust_step.unpack(body):
            version = trust_step.claimed_version(document)
            if version < current.trust.version:
                continue
            if version == current.trust.version:
                if trust_step.trust_hash(trust_step.payload_of(document)) != current.hash:
                    raise Refused("trust_fork", "trust.version", "two different documents carry this version")
                continue
            current = trust_step.open_next(document, current.trust)
            yield current
    except (Refused, GeneratorExit):
        raise
    except Exception as error:
        raise Refused("gate_failed", "trust", f"the gate failed with {type(error).__name__}") from error


def floors_after(floors: Floors, trust: Trust) -> Floors:
    """The floors once `trust` is in force. A new key epoch is how a town recovers when somebody with a stolen key has
    pushed the numbers to their end (TUF's fast-forward attack): numbers of the old epoch are void with its keys."""
    if 0 < floors.epoch < trust.epoch:
        return Floors(clock_s=floors.clock_s, trust_version=trust.version, epoch=trust.epoch)
    return replace(floors, trust_version=trust.version, epoch=trust.epoch)
