"""What can happen to a door (events in) and what the door wants done (effects out).

Events and effects are plain values: the runner makes the ones from hardware and sockets and carries out the others, the
simulator does the same without either.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from controller.decide import Installed, Moment
from controller.draft import Draft
from controller.formats.code_list import PinKdf
from controller.formats.command import Command
from controller.formats.discreet import Discreet
from controller.formats.event import ClockState


class Now(msgspec.Struct, frozen=True):
    """One reading of time for one step: `mono_ms` for timers, `utc_ms` for windows. `floor_s` is the UTC second that
    certainly has passed."""

    mono_ms: int
    utc_ms: int
    clock: ClockState
    floor_s: int

    @property
    def trusted(self) -> bool:
        return self.clock in {"synced", "holdover"}

    @property
    def utc_s(self) -> int:
        return self.utc_ms // 1000

    def moment(self) -> Moment:
        """The same for a decision."""
        return Moment(self.utc_s, self.trusted, self.floor_s)


# ---- events


class KeyPressed(Discreet, frozen=True):
    """A symbol (`0`-`9`, `#`, `*`) at the keypad `reader`."""

    hidden: ClassVar = "symbol"
    reader: str
    symbol: str


class QrRead(Discreet, frozen=True):
    """A camera or scanner sees this text, now; `inside` the room, where it can only sign out."""

    hidden: ClassVar = "text"
    text: str
    inside: bool = False


class PinDerived(Discreet, frozen=True):
    """The derivation asked for by `Derive` is ready."""

    hidden: ClassVar = "verifier"
    ticket: int
    verifier: str


class LeafMoved(msgspec.Struct, frozen=True):
    """The door contact: open or shut."""

    open: bool


class HousingButton(msgspec.Struct, frozen=True):
    """The button inside the housing went down (`pressed`) or up. Nothing to the door; it lets staff enrol the unit."""

    pressed: bool


class ExitPressed(msgspec.Struct, frozen=True):
    """The exit button was pressed."""


class ListInstalled(msgspec.Struct, frozen=True):
    """A list passed the trust gate and is on disk."""

    installed: Installed


class ListRefused(msgspec.Struct, frozen=True):
    """A list did not pass, for this reason; `version` where one could be read."""

    reason: str
    version: int | None


class CommandGiven(msgspec.Struct, frozen=True):
    """A command from the hub passed every check and its challenge is spent."""

    command: Command


class TrustTaken(msgspec.Struct, frozen=True):
    """Another trust document is in force; `list_lost` says why the installed list no longer is, where that is so."""

    version: int
    epoch: int
    list_lost: str | None


class Refusal(msgspec.Struct, frozen=True):
    """Something else from outside was refused: a receipt, a trust step, a line on a socket."""

    what: Literal["receipt", "trust", "command", "socket", "enrolment"]
    reason: str


class FaultChanged(msgspec.Struct, frozen=True):
    """A part of the unit broke (`on`) or is well again."""

    fault: str
    on: bool


class Released(msgspec.Struct, frozen=True):
    """The relay was driven for the last grant."""


class NotRecorded(msgspec.Struct, frozen=True):
    """A grant could not be recorded, and policy wants a record first: the release was dropped."""


class CommissionAsked(msgspec.Struct, frozen=True):
    """Staff at the terminal: begin to bring the door into service, answer with a keypad's symbol, give up."""

    do: Literal["begin", "press", "abandon"]
    symbol: str | None = None


class ClockNoted(msgspec.Struct, frozen=True):
    """The clock is to be written down, so that a receipt can answer it with a signed time."""


class StorageHealed(msgspec.Struct, frozen=True):
    """What was held in memory is on disk; `lost` records did not fit and are gone."""

    lost: int


class Tick(msgspec.Struct, frozen=True):
    """Time passed."""


Event = (
    KeyPressed
    | QrRead
    | PinDerived
    | LeafMoved
    | HousingButton
    | ExitPressed
    | ListInstalled
    | ListRefused
    | TrustTaken
    | CommandGiven
    | Refusal
    | FaultChanged
    | Released
    | NotRecorded
    | CommissionAsked
    | ClockNoted
    | StorageHealed
    | Tick
)

# ---- effects

Signal = Literal["idle", "granted", "refused", "wait", "fault"]
Kept = dict[str, object]


class Record(msgspec.Struct, frozen=True):
    """Make these records and the changed counters durable, in one transaction, before anything that follows.
    `opening_door` marks the record of a grant, the one that policy `log_failure` speaks about."""

    drafts: tuple[Draft, ...]
    kept: Kept
    opening_door: bool = False


class Keep(msgspec.Struct, frozen=True):
    """Make these counters durable now; what follows does not wait for a record."""

    kept: Kept


class Derive(Discreet, frozen=True):
    """Derive the verifier of a PIN beside the loop and come back with `PinDerived(ticket, …)`."""

    hidden: ClassVar = "pin"
    ticket: int
    pin: str
    kdf: PinKdf


class Release(msgspec.Struct, frozen=True):
    """Release the lock for this many seconds."""

    seconds: int


class Hold(msgspec.Struct, frozen=True):
    """Keep the lock released from now on (attended), or stop doing so."""

    on: bool


class Show(msgspec.Struct, frozen=True):
    """Tell the person at the door. `reason` is what they may know; `opens_at` is UTC seconds."""

    signal: Signal
    reason: str | None = None
    opens_at: int | None = None


Effect = Record | Keep | Derive | Release | Hold | Show

# ---- what others look at


class Guidance(msgspec.Struct, frozen=True):
    """What is asked of whoever brings the door into service: the step's word and kind, keys still to be heard, figure
    typed so far, the step's place among `of`."""

    step: str
    kind: str
    left: str
    typed: str
    place: int
    of: int
