"""The link, without its sockets: what the agent does when something happens.

Events and the time go in, effects come out, and `deadline_s` says when to call again if nothing happens. Nothing here
reads a clock, draws a random number or touches a socket, so a simulator can run a year of bad network in seconds.

    link = Link("hall-1", now_s=0.0, roll=0.3)
    effects = link.handle(Woke(), now_s=0.3, roll=0.7)          # -> [Connect()]

`now_s` is monotonic time in seconds; `roll` is a random number, 0 <= roll < 1, drawn afresh for each call.

Towards the broker the link is in one of three states:

    state       event                        next        effects
    ----------  ---------------------------  ----------  ------------------------------------------------------------
    WAITING     Woke at the deadline         CONNECTING  Connect
    CONNECTING  Connected                    CONNECTED   Subscribe, Publish state and batch, ToController Link(up)
    CONNECTING  Disconnected                 WAITING     (back off)
    CONNECTING  Woke at the deadline         WAITING     Abort (back off)
    CONNECTED   Disconnected                 WAITING     ToController Link(down) (back off)
    CONNECTED   Woke at the deadline         CONNECTED   Publish batch again
    CONNECTED   Received, FromController     CONNECTED   ToController what came down, Publish what goes up

What the hub retains (trust, list, receipt) is kept, the last of each, and given to the controller once per connection
of the controller: also when it comes back later, and once more when the hub repeats it after a minute. What is not
retained (ask, command) is talk with a controller that is there; without one it is dropped, because an old command must
not wait for anybody.

A batch is "in flight" from the moment the controller handed it over until it hands over the next one: the controller
alone can verify a receipt. The broker's acknowledgement proves nothing, so the batch is published again after every
reconnect and every `RESEND_S` until then. An empty body takes the batch back: nothing is waiting.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Literal, get_args

import msgspec

from controller.formats.enrolment_messages import FetchTrust, SendEnrolment, SendRenewal
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.messages import Deliver, Hello, SendAnswer, SendBatch, SendState, ToAgent, encode_line
from controller.formats.messages import Link as LinkIs
from sync.topics import DOWN, RETAINED, split, topic

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 60.0
# A session shorter than this does not count as a success: a broker that accepts and throws out again (two agents with
# one client id, say) must not be asked every second.
STABLE_S = 30.0
CONNECT_TIMEOUT_S = 20.0
RESEND_S = 30.0
RESEND_JITTER_S = 10.0
# The hub repeats what a door does not seem to have taken: its disk was full, say. What comes sooner after the last time
# is the broker's own repeating, which must not become work for the controller.
REPEATED_S = 50.0
# What JSON makes of a character at most (`\u0000`), and more than a line has around what it delivers.
LONGEST_ESCAPE = 6
LINE_AROUND = 100

Kind = Literal["trust", "list", "receipt", "ask", "command"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UPDATE = "update"


class LinkState(Enum):
    """Where the link is towards the broker."""

    WAITING = auto()
    CONNECTING = auto()
    CONNECTED = auto()


# --- events ---


class Woke(msgspec.Struct, frozen=True):
    """The deadline has come (or the caller woke early, which does no harm)."""


class Connected(msgspec.Struct, frozen=True):
    """The broker accepted the session."""


class Disconnected(msgspec.Struct, frozen=True):
    """The attempt failed or the session ended."""


class Received(msgspec.Struct, frozen=True):
    """A message from the broker."""

    topic: str
    payload: bytes


class ControllerHere(msgspec.Struct, frozen=True):
    """The controller's socket accepted us: a new conversation."""


class ControllerGone(msgspec.Struct, frozen=True):
    """The controller's socket closed."""


class FromController(msgspec.Struct, frozen=True):
    """One line from the controller."""

    message: ToAgent


class Equipped(msgspec.Struct, frozen=True):
    """There is a certificate or a broker that was not there before: no need to wait any longer."""


Event = Equipped | Woke | Connected | Disconnected | Received | ControllerHere | ControllerGone | FromController


# --- effects ---


class Connect(msgspec.Struct, frozen=True):
    """Start a session with the broker; answer with Connected or Disconnected."""


class Abort(msgspec.Struct, frozen=True):
    """Close the connection to the broker at once; no answer is wanted."""


class Subscribe(msgspec.Struct, frozen=True):
    """Subscribe at QoS 1."""

    topics: tuple[str, ...]


class Publish(msgspec.Struct, frozen=True):
    """Publish at QoS 1."""

    topic: str
    payload: bytes
    retain: bool


class ToController(msgspec.Struct, frozen=True):
    """Say this to the controller."""

    message: Deliver | LinkIs


class Introduced(msgspec.Struct, frozen=True):
    """The controller said whom to believe, and where hub and broker are: from the next connection on."""

    hello: Hello


class Errand(msgspec.Struct, frozen=True):
    """Carry something to the hub, over HTTPS."""

    message: FetchTrust | SendEnrolment | SendRenewal


class Offered(msgspec.Struct, frozen=True):
    """What the hub has on offer as an update; empty: nothing. It is the agent's to fetch, not the controller's."""

    manifest: bytes


class Drop(msgspec.Struct, frozen=True):
    """Something was thrown away; for the log. `what` never repeats a payload."""

    what: str


Effect = Connect | Abort | Subscribe | Publish | ToController | Introduced | Errand | Offered | Drop


class Link:
    """The link of one door. Holds at most one state, one batch and the last of each retained kind: bounded by the
    limits of the formats, whatever the network does."""

    def __init__(self, door: str, now_s: float, roll: float) -> None:
        self.state = LinkState.WAITING
        self.deadline_s: float | None = now_s + roll * BACKOFF_FIRST_S
        self._door = door
        self._failures = 0
        self._connected_at_s = 0.0
        self._controller = False
        self._up_state: bytes | None = None
        self._batch: bytes | None = None
        self._kept: dict[Kind, Deliver] = {}
        self._delivered: dict[Kind, tuple[Deliver, float]] = {}  # and when

    def handle(self, event: Event, now_s: float, roll: float) -> list[Effect]:
        """What to do about `event`. Raises Refused `wrong_door` when the controller turns out to be another door's."""
        match event:
            case Woke():
                return self._woke(now_s, roll)
            case Equipped():
                self._failures = 0
                if self.state is LinkState.WAITING:
                    self.deadline_s = now_s
                return []
            case Connected():
                return self._connected(now_s, roll)
            case Disconnected():
                return self._disconnected(now_s, roll)
            case Received(name, payload):
                return self._received(name, payload, now_s)
            case ControllerHere():
                return self._controller_here(now_s)
            case ControllerGone():
                self._controller = False
                self._delivered.clear()
                return []
            case FromController(message):
                return self._from_controller(message, now_s, roll)

    # --- the broker ---

    def _woke(self, now_s: float, roll: float) -> list[Effect]:
        if self.deadline_s is None or now_s < self.deadline_s:
            return []
        match self.state:
            case LinkState.WAITING:
                self.state = LinkState.CONNECTING
                self.deadline_s = now_s + CONNECT_TIMEOUT_S
                return [Connect()]
            case LinkState.CONNECTING:
                self._back_off(now_s, roll)
                return [Abort()]
            case LinkState.CONNECTED:
                return self._publish_batch(now_s, roll)

    def _connected(self, now_s: float, roll: float) -> list[Effect]:
        if self.state is not LinkState.CONNECTING:
            return []
        self.state = LinkState.CONNECTED
        self._connected_at_s = now_s
        subscribe = Subscribe(tuple(topic(self._door, leaf) for leaf in DOWN))
        return [subscribe, *self._publish_state(), *self._publish_batch(now_s, roll), *self._say_link()]

    def _disconnected(self, now_s: float, roll: float) -> list[Effect]:
        if self.state is LinkState.WAITING:
            return []
        was_up = self.state is LinkState.CONNECTED
        if was_up and now_s - self._connected_at_s >= STABLE_S:
            self._failures = 0
        self._back_off(now_s, roll)
        return self._say_link() if was_up else []

    def _back_off(self, now_s: float, roll: float) -> None:
        """Exponential with full jitter: anywhere between now and the ceiling, so a town's doors do not come at once."""
        # The exponent is capped before the ceiling is, or a month offline would make it a number of many digits.
        ceiling_s = min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self.state = LinkState.WAITING
        self.deadline_s = now_s + roll * ceiling_s

    # --- up ---

    def _from_controller(self, message: ToAgent, now_s: float, roll: float) -> list[Effect]:
        match message:
            case Hello(door=door):
                if door != self._door:
                    raise Refused("wrong_door", "hello.door", "the controller is another door than the configured one")
                return [Introduced(message)]
            case FetchTrust() | SendEnrolment() | SendRenewal():
                return [Errand(message)]
            case SendState(body=body):
                self._up_state = body.encode()
                return self._publish_state()
            case SendAnswer(body=body):
                if self.state is not LinkState.CONNECTED:
                    # It is good for 30 s: whoever asked will ask again.
                    return [Drop("an answer: no session with the broker")]
                return [Publish(topic(self._door, "answer"), body.encode(), retain=False)]
            case SendBatch(body=body):
                self._batch = body.encode() or None
                return self._publish_batch(now_s, roll)

    def _publish_state(self) -> list[Effect]:
        if self.state is not LinkState.CONNECTED or self._up_state is None:
            return []
        return [Publish(topic(self._door, "state"), self._up_state, retain=True)]

    def _publish_batch(self, now_s: float, roll: float) -> list[Effect]:
        if self.state is not LinkState.CONNECTED:
            return []
        if self._batch is None:
            self.deadline_s = None
            return []
        self.deadline_s = now_s + RESEND_S + roll * RESEND_JITTER_S
        return [Publish(topic(self._door, "events"), self._batch, retain=False)]

    # --- down ---

    def _received(self, name: str, payload: bytes, now_s: float) -> list[Effect]:
        door_and_leaf = split(name)
        if door_and_leaf == (self._door, UPDATE):
            return [Offered(payload)]
        kind = next((kind for kind in KINDS if (self._door, kind) == door_and_leaf), None)
        if kind is None:
            return [Drop("a message on a topic that is not ours")]
        deliver = _deliverable(kind, payload)
        if deliver is None:
            return [Drop(f"a {kind} that is no text or too long for the controller")]
        if kind not in RETAINED:
            return [ToController(deliver)] if self._controller else [Drop(f"a {kind}: the controller is away")]
        if kind == "trust" and deliver != self._kept.get(kind):
            # A list that came before the document that names its key was refused, and may be good now.
            self._delivered.pop("list", None)
        _, delivered_s = self._delivered.get(kind, (None, now_s))
        if now_s - delivered_s >= REPEATED_S:
            del self._delivered[kind]
        self._kept[kind] = deliver
        return self._deliver_kept(now_s)

    def _deliver_kept(self, now_s: float) -> list[Effect]:
        """What this conversation has not had yet, in the order in which the controller can use it: keys first."""
        if not self._controller:
            return []
        done = {kind: deliver for kind, (deliver, _) in self._delivered.items()}
        new = [kept for kind in KINDS if (kept := self._kept.get(kind)) and kept != done.get(kind)]
        self._delivered.update({kept.kind: (kept, now_s) for kept in new})
        return [ToController(kept) for kept in new]

    def _controller_here(self, now_s: float) -> list[Effect]:
        self._controller = True
        return [*self._say_link(), *self._deliver_kept(now_s)]

    def _say_link(self) -> list[Effect]:
        return [ToController(LinkIs(up=self.state is LinkState.CONNECTED))] if self._controller else []


def _deliverable(kind: Kind, payload: bytes) -> Deliver | None:
    """`payload` as a message the controller's socket takes, or None. Without this check one oversized retained message
    would make the controller hang up, and the agent offer it again, for ever."""
    if len(payload) > LIMITS.sync_line_bytes:
        return None
    try:
        deliver = Deliver(kind=kind, body=payload.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    if len(payload) * LONGEST_ESCAPE + LINE_AROUND <= LIMITS.sync_line_bytes:
        return deliver  # whatever it is made of: no need to write out a long list for its length
    return deliver if len(encode_line(deliver)) <= LIMITS.sync_line_bytes else None
