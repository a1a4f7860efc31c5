"""PIN derivations, done outside the transactions that need them.

One derivation costs tens of milliseconds on purpose, and a transaction holds locks. So a transaction that needs a
verifier nobody has derived yet is given up, the derivations happen with nothing locked, and it runs again. What it drew
is kept for that second run, so two runs are enough unless somebody else took one of the PINs in between.

    derivations = Derivations()
    while True:
        derivations.start_run()
        try:
            with sessions.begin() as session:
                return work(session, derivations)
        except Underived as missing:
            derivations.derive(missing)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from controller.formats import pin
from controller.formats.code_list import PinKdf

Wanted = tuple[str, PinKdf]


class Underived(Exception):
    """Raised within a transaction: these verifiers have to be derived before it can be done."""

    def __init__(self, wanted: tuple[Wanted, ...]) -> None:
        super().__init__(f"{len(wanted)} PIN verifiers are not derived yet")
        self.wanted = wanted


class Derivations:
    """The derivations of one piece of work, and the random choices it has to make again in every run."""

    def __init__(self, derive: Callable[[str, PinKdf], str] = pin.derive) -> None:
        self._derive = derive
        self._known: dict[Wanted, str] = {}
        self._drawn: dict[int, list[str]] = {}
        self._offered: dict[int, int] = {}
        self._chosen: dict[str, bytes] = {}

    def start_run(self) -> None:
        """A run begins: it is offered the PINs of the run before, in the same order."""
        self._offered.clear()

    def verifiers(self, wanted: Iterable[Wanted]) -> dict[Wanted, str]:
        """The verifiers of (PIN, parameters) pairs. Raises `Underived`, naming all that are missing."""
        wanted = tuple(wanted)
        missing = tuple(each for each in wanted if each not in self._known)
        if missing:
            raise Underived(missing)
        return {each: self._known[each] for each in wanted}

    def derive(self, missing: Underived) -> None:
        """Do the work that a transaction was given up for."""
        for clear, kdf in missing.wanted:
            self._known[clear, kdf] = self._derive(clear, kdf)

    def pins(self, digits: int, draw: Callable[[], str]) -> Iterator[str]:
        """PINs of this length to choose from, each offered once in a run: those drawn by earlier runs, then new."""
        drawn = self._drawn.setdefault(digits, [])
        while True:
            place = self._offered.get(digits, 0)
            self._offered[digits] = place + 1
            if place == len(drawn):
                drawn.append(draw())
            yield drawn[place]

    def once(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What `make` gave in the first run that asked for `name`: a salt that changed with every run would have
        nothing derived for it."""
        if name not in self._chosen:
            self._chosen[name] = make()
        return self._chosen[name]
