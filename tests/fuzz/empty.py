"""Door scenes without a code: hallways, and people who hold up papers and telephones that show something else. No text
may be read in any, by any look: what is read where nothing is could as well be read wrong where something is."""

from __future__ import annotations

from collections.abc import Callable

from controller.camera import reader
from tests.controller.camera.door_scenes import empty, nobody
from tests.fuzz.outcome import Found, Outcome


def fuzz(n: int, seed: int, tell: Callable[[int], None]) -> Outcome:
    """Raises Found at the first text. Two pictures of each scene."""
    outcome = Outcome()
    for scene in range(0, n, 4):
        for name, pictures in (("somebody", empty(seed + scene, 2)), ("nobody", nobody(seed + scene, 2))):
            for picture in pictures:
                texts = reader.read(picture)
                if texts:
                    raise Found(f"{texts!r} read in scene {seed + scene} of {name}")
                outcome.count(f"{name}: nothing read")
        tell(outcome.inputs)
    return outcome
