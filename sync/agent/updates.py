"""The agent's part in updates: take the offer, fetch its package beside the loop, put both where the one-shot looks.

    updates = Updates(Spool(folder), result, Machine.here())
    updates.introduced(hub, authorities)
    updates.offered(payload)                                    # of the topic `update`; empty: no longer on offer
    for message in updates.news(time.monotonic(), roll): ...    # what the controller is told, for the hub

Nothing is judged here that counts: `zaalsleutel-update.service` verifies the signature by the unit's trust document.
Only what would waste network or disk is looked at. What came of an update stands in a file of that one-shot's own.
"""

from __future__ import annotations

import errno
import logging
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from controller.formats.encoding import decode
from controller.formats.errors import Refused
from controller.formats.messages import UpdateIs
from controller.formats.state import UpdateState
from sync.agent.fetch import GivenUp, Source, fetch
from sync.agent.spool import Offer, Spool

RESULT_BYTES = 4 << 10
LOOK_EVERY_S = 2.0
SPREAD_S = 60.0
"""Units hear of an offer at the same moment, and do not all come at once."""
AGAIN_FIRST_S, AGAIN_LAST_S = 30.0, 3_600.0
KNOCK_EVERY_S = 3_600.0
"""For a one-shot that was not started, and one that refused for what has changed since (a trust document came)."""
Tried = Literal["installing", "restarting", "installed", "rolled_back"]

log = logging.getLogger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """What the one-shot says of the last update it looked at; `manifest` is the SHA-256 of that manifest, `tried` the
    highest number it ever tried."""

    tried: int
    outcome: str
    manifest: str


@dataclass(frozen=True)
class Machine:
    """What a package has to be made for."""

    debian: str
    arch: str

    @classmethod
    def here(cls) -> Machine:
        """This one; empty where it cannot be told, and then nothing fits."""
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
        try:
            return cls(platform.freedesktop_os_release().get("VERSION_ID", ""), arch)
        except OSError:
            return cls("", arch)


class Updates:
    """One offer at a time. Times are monotonic seconds; `roll` is a random number, 0 <= roll < 1."""

    def __init__(self, spool: Spool, result: Path, machine: Machine, bring: Callable[..., None] = fetch) -> None:
        self._spool, self._result, self._machine, self._bring = spool, result, machine, bring
        self._beside = ThreadPoolExecutor(1, "update")
        self._fetching: Future[None] | None = None
        self._source: Source | None = None
        self._offer: Offer | None = None
        self._state: UpdateState | None = None
        self._told: UpdateState | None = None
        self._look_s = 0.0
        self._next_s: float | None = None
        self._knock_s = 0.0
        self._failures = 0

    def introduced(self, hub: str | None, authorities: str) -> None:
        """The controller says where the hub is and whom to believe. It has to be told where the update stands."""
        self._source = None if hub is None else Source(hub, authorities)
        self._told, self._look_s = None, 0.0

    def offered(self, payload: bytes) -> None:
        """What the topic holds now."""
        if self._offer is not None and self._offer.manifest == payload:
            return
        self._offer = self._state = self._next_s = None
        self._failures, self._knock_s, self._look_s = 0, 0.0, 0.0
        if not payload:
            return
        number = 0
        try:
            offer = Offer.read(payload)
            number = offer.update.number
            if (offer.update.debian, offer.update.arch) != (self._machine.debian, self._machine.arch):
                raise Refused("wrong_machine", "update", f"for Debian {offer.update.debian} {offer.update.arch}")
            self._offer = offer
        except Refused as refused:
            log.warning("update refused: %s", refused)
            self._state = UpdateState(number=number, stage="refused", reason=refused.code)

    def news(self, now_s: float, roll: float) -> Iterator[UpdateIs]:
        """Do what is due; what to tell the controller now."""
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_EVERY_S
            if self._offer is not None:
                self._state = self._attend(self._offer, now_s, roll)
        if self._state != self._told:
            self._told = self._state
            if self._state is not None:
                log.info("update %d: %s %s", self._state.number, self._state.stage, self._state.reason or "")
            yield UpdateIs(update=self._state)

    def close(self) -> None:
        """Let go of what is under way; what is there of a package stays."""
        self._offer = None
        self._beside.shutdown(wait=False, cancel_futures=True)

    # ---- in the loop

    def _attend(self, offer: Offer, now_s: float, roll: float) -> UpdateState:
        number = offer.update.number
        outcome = self._outcome()
        about_this = outcome is not None and outcome.manifest == offer.name
        try:
            if outcome is not None and about_this and outcome.outcome in get_args(Tried):
                self._spool.clear()
                return UpdateState(number=number, stage=cast(Tried, outcome.outcome))
            if outcome is not None and number <= outcome.tried:
                return UpdateState(number=number, stage="refused", reason="update_older")
            if not self._spool.holds(offer) or self._fetching is not None:
                return UpdateState(number=number, stage="fetching", reason=self._bring_on(offer, now_s, roll))
            if now_s >= self._knock_s:
                self._knock_s = now_s + KNOCK_EVERY_S
                self._spool.knock(offer)
        except OSError as error:
            return UpdateState(number=number, stage="fetching", reason=_word(error))
        if outcome is not None and about_this:
            return UpdateState(number=number, stage="refused", reason=outcome.outcome)
        return UpdateState(number=number, stage="fetched")

    def _bring_on(self, offer: Offer, now_s: float, roll: float) -> str | None:
        """See to it that the package is fetched; what keeps it, if anything does."""
        if self._fetching is not None:
            if not self._fetching.done():
                return None
            ended, self._fetching = self._fetching, None
            return self._ended(ended, now_s, roll)
        if self._source is None:
            return "no_hub"
        if self._next_s is None:
            self._next_s = now_s + roll * SPREAD_S
        if now_s >= self._next_s:
            self._fetching = self._beside.submit(self._work, self._source, offer)
            return None
        return None if self._state is None else self._state.reason

    def _ended(self, ended: Future[None], now_s: float, roll: float) -> str | None:
        try:
            ended.result()
        except GivenUp:
            self._next_s = now_s
            return None
        except (Refused, OSError) as error:
            log.warning("update not fetched: %s", error)
            pause_s = min(AGAIN_LAST_S, AGAIN_FIRST_S * 2.0 ** min(self._failures, 16))
            self._next_s = now_s + pause_s * (0.5 + roll)
            self._failures += 1
            return _word(error)
        self._look_s, self._knock_s, self._failures = now_s, now_s + KNOCK_EVERY_S, 0
        return None

    def _outcome(self) -> Outcome | None:
        """None before the first update; also for what cannot be read, since it is only told."""
        try:
            with self._result.open("rb") as file:
                return decode(file.read(RESULT_BYTES), Outcome, "result")
        except (OSError, Refused):
            return None

    # ---- beside the loop

    def _work(self, source: Source, offer: Offer) -> None:
        part = self._spool.part(offer)
        self._bring(source, offer.update, part, self._spool.room, lambda: self._offer is offer)
        self._spool.drop(offer, part)


def _word(error: Refused | OSError) -> str:
    return error.code if isinstance(error, Refused) else "disk_full" if error.errno == errno.ENOSPC else "disk"
