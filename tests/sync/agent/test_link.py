"""The link core: what it does at each event, and that a batch gets through whatever the network does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.messages import Deliver, Hello, SendBatch, SendState
from controller.formats.messages import Link as LinkIs
from sync.agent.link import (
    BACKOFF_LAST_S,
    CONNECT_TIMEOUT_S,
    RESEND_JITTER_S,
    RESEND_S,
    STABLE_S,
    Abort,
    Connect,
    Connected,
    ControllerGone,
    ControllerHere,
    Disconnected,
    Drop,
    Effect,
    Event,
    FromController,
    Introduced,
    Link,
    LinkState,
    Offered,
    Publish,
    Received,
    Subscribe,
    ToController,
    Woke,
)
from sync.topics import DOWN, topic

DOOR = "hall-1"
LIST, RECEIPT = topic(DOOR, "list"), topic(DOOR, "receipt")


def batch(number: int) -> FromController:
    return FromController(SendBatch(last=number, body=f"batch {number}"))


def connected_link(*before: Event) -> Link:
    link = Link(DOOR, now_s=0.0, roll=0.0)
    for event in (*before, Woke(), Connected()):
        link.handle(event, 0.0, 0.5)
    return link


def said(effects: list[Effect]) -> list[Deliver | LinkIs]:
    return [effect.message for effect in effects if isinstance(effect, ToController)]


def published(effects: list[Effect]) -> list[bytes]:
    return [effect.payload for effect in effects if isinstance(effect, Publish) and effect.topic.endswith("/events")]


def test_the_first_attempt_is_spread_over_a_second_and_not_made_early():
    link = Link(DOOR, now_s=100.0, roll=0.25)
    assert link.deadline_s == 100.25
    assert link.handle(Woke(), 100.2, 0.0) == []
    assert link.handle(Woke(), 100.25, 0.0) == [Connect()]
    assert link.state is LinkState.CONNECTING


def test_connecting_subscribes_and_says_again_what_the_broker_may_have_lost():
    link = Link(DOOR, 0.0, 0.0)
    link.handle(FromController(SendState(body="state")), 0.0, 0.0)
    link.handle(batch(1), 0.0, 0.0)
    link.handle(Woke(), 0.0, 0.0)
    assert link.handle(Connected(), 0.0, 0.0) == [
        Subscribe(tuple(topic(DOOR, leaf) for leaf in DOWN)),
        Publish(topic(DOOR, "state"), b"state", retain=True),
        Publish(topic(DOOR, "events"), b"batch 1", retain=False),
    ]


def test_back_off_doubles_to_a_minute_and_is_jittered_over_its_whole_width():
    link = Link(DOOR, 0.0, 0.0)
    waits = []
    for _ in range(9):
        link.handle(Woke(), link.deadline_s or 0.0, 0.0)
        link.handle(Disconnected(), 0.0, roll=0.5)
        waits.append(link.deadline_s)
    assert waits == [0.5, 1, 2, 4, 8, 16, BACKOFF_LAST_S / 2, BACKOFF_LAST_S / 2, BACKOFF_LAST_S / 2]


@pytest.mark.parametrize(("lasted_s", "wait_s"), [(STABLE_S - 1, 2.0), (STABLE_S, 1.0)])
def test_only_a_session_that_lasted_resets_the_back_off(lasted_s: float, wait_s: float):
    link = Link(DOOR, 0.0, 0.0)
    link.handle(Woke(), 0.0, 0.0)
    link.handle(Disconnected(), 0.0, 0.0)
    link.handle(Woke(), 0.0, 0.0)
    link.handle(Connected(), 0.0, 0.0)
    link.handle(Disconnected(), lasted_s, roll=1.0)
    assert link.deadline_s == lasted_s + wait_s


def test_an_attempt_that_is_never_answered_is_given_up():
    link = Link(DOOR, 0.0, 0.0)
    link.handle(Woke(), 0.0, 0.0)
    assert link.deadline_s == CONNECT_TIMEOUT_S
    assert link.handle(Woke(), CONNECT_TIMEOUT_S, 0.0) == [Abort()]
    assert link.handle(Connected(), CONNECT_TIMEOUT_S, 0.0) == [], "too late"


def test_a_batch_is_published_again_until_the_next_one_replaces_it():
    link = connected_link(ControllerHere())
    assert published(link.handle(batch(1), 0.0, 0.0)) == [b"batch 1"]
    assert published(link.handle(Woke(), RESEND_S - 1, 0.0)) == []
    assert published(link.handle(Woke(), RESEND_S, 1.0)) == [b"batch 1"]
    assert link.deadline_s == 2 * RESEND_S + RESEND_JITTER_S
    assert published(link.handle(batch(2), RESEND_S + 1, 0.0)) == [b"batch 2"]
    assert published(link.handle(Woke(), 2 * RESEND_S + 1, 0.0)) == [b"batch 2"]


def test_an_empty_batch_takes_the_last_one_back():
    link = connected_link(ControllerHere(), batch(1))
    assert published(link.handle(FromController(SendBatch(last=1, body="")), 0.0, 0.0)) == []
    assert link.deadline_s is None


def test_what_is_retained_reaches_each_controller_connection_once():
    link = connected_link(ControllerHere())
    first = link.handle(Received(LIST, b"list 1"), 0.0, 0.0)
    assert said(first) == [Deliver(kind="list", body="list 1")]
    assert link.handle(Received(LIST, b"list 1"), 0.0, 0.0) == []
    assert said(link.handle(Received(LIST, b"list 2"), 0.0, 0.0)) == [Deliver(kind="list", body="list 2")]
    link.handle(ControllerGone(), 0.0, 0.0)
    again = link.handle(ControllerHere(), 0.0, 0.0)
    assert said(again) == [LinkIs(up=True), Deliver(kind="list", body="list 2")]


def test_what_the_hub_repeats_reaches_the_controller_again_but_not_at_the_brokers_pace():
    """A disk that was full for a moment once kept a door from a trust document for ever."""
    link = connected_link(ControllerHere())
    trust = Received(topic(DOOR, "trust"), b"trust 2")
    given = [said(link.handle(trust, float(second), 0.0)) for second in range(130)]
    assert [second for second, messages in enumerate(given) if messages] == [0, 50, 100]
    assert given[50] == [Deliver(kind="trust", body="trust 2")]


def test_what_arrives_while_the_controller_is_away_waits_the_last_of_each_kind():
    link = connected_link()
    for leaf, body in [("receipt", b"r1"), ("list", b"l1"), ("list", b"l2"), ("trust", b"t1")]:
        assert link.handle(Received(topic(DOOR, leaf), body), 0.0, 0.0) == []
    bodies = [message.body for message in said(link.handle(ControllerHere(), 0.0, 0.0)) if isinstance(message, Deliver)]
    assert bodies == ["t1", "l2", "r1"], "keys first, so that what they verify can follow"


def test_a_list_that_came_before_the_document_that_names_its_key_is_offered_again():
    link = connected_link(ControllerHere())
    link.handle(Received(LIST, b"list 1"), 0.0, 0.0)
    trust = topic(DOOR, "trust")
    told = said(link.handle(Received(trust, b"trust 2"), 0.0, 0.0))
    assert told == [Deliver(kind="trust", body="trust 2"), Deliver(kind="list", body="list 1")]
    assert link.handle(Received(trust, b"trust 2"), 0.0, 0.0) == []


def test_a_command_does_not_wait_for_a_controller():
    link = connected_link()
    assert isinstance(link.handle(Received(topic(DOOR, "command"), b"c"), 0.0, 0.0)[0], Drop)
    assert said(link.handle(ControllerHere(), 0.0, 0.0)) == [LinkIs(up=True)]
    for _ in range(2):
        twice = link.handle(Received(topic(DOOR, "command"), b"c"), 0.0, 0.0)
        assert said(twice) == [Deliver(kind="command", body="c")]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        (topic("hall-2", "list"), b"x"),
        (topic(DOOR, "state"), b"x"),
        ("something/else", b"x"),
        (LIST, b"\xff"),
        (LIST, b"x" * (LIMITS.sync_line_bytes + 1)),
        pytest.param(LIST, b'"' * (LIMITS.sync_line_bytes - 100), id="fits, but not once it is escaped"),
    ],
)
def test_what_the_controller_cannot_take_is_dropped(name: str, payload: bytes):
    link = connected_link(ControllerHere())
    assert [type(effect) for effect in link.handle(Received(name, payload), 0.0, 0.0)] == [Drop]


def test_the_controller_hears_of_every_change_of_the_link():
    link = Link(DOOR, 0.0, 0.0)
    assert said(link.handle(ControllerHere(), 0.0, 0.0)) == [LinkIs(up=False)]
    link.handle(Woke(), 0.0, 0.0)
    assert said(link.handle(Connected(), 0.0, 0.0)) == [LinkIs(up=True)]
    assert said(link.handle(Disconnected(), 0.0, 0.0)) == [LinkIs(up=False)]


def test_hello_names_the_door_and_may_replace_the_authorities():
    link = connected_link(ControllerHere())
    hello = Hello(door=DOOR, authorities=("pem",))
    assert link.handle(FromController(hello), 0.0, 0.0) == [Introduced(hello)]
    with pytest.raises(Refused, match="wrong_door"):
        link.handle(FromController(Hello(door="hall-2", authorities=())), 0.0, 0.0)


class Hub:
    """A hub that stores batches in order and a controller that sends the next one after each receipt."""

    def __init__(self, batches: int) -> None:
        self.wanted = [f"batch {number}".encode() for number in range(1, batches + 1)]
        self.stored: list[bytes] = []

    def take(self, payload: bytes) -> bytes:
        if payload not in self.stored:
            self.stored.append(payload)
        return f"receipt {len(self.stored)}".encode()


FAULTS = st.sampled_from(["fine", "fine", "lost up", "lost down", "twice", "cut", "refused"])


@given(faults=st.lists(FAULTS, max_size=60), seed=st.integers(0, 1 << 32))
def test_every_batch_arrives_in_order_under_loss_doubles_and_cuts(faults, seed):
    rolls = random.Random(seed)
    hub, link, now_s, sent = Hub(batches=5), Link(DOOR, 0.0, 0.0), 0.0, 1
    todo: list[Event] = [ControllerHere(), batch(1)]
    faults = iter(faults)
    for _turn in range(500):
        event = todo.pop(0) if todo else Woke()
        if isinstance(event, Woke):
            now_s = max(now_s, link.deadline_s if link.deadline_s is not None else now_s)
        for effect in link.handle(event, now_s, rolls.random()):
            fault = next(faults, "fine")
            if isinstance(effect, Connect):
                todo.append(Disconnected() if fault == "refused" else Connected())
            elif isinstance(effect, Publish):
                assert effect.payload == f"batch {sent}".encode(), "only the newest batch is ever on the wire"
                if fault == "cut":
                    todo.append(Disconnected())
                elif fault != "lost up":
                    receipt = Received(RECEIPT, hub.take(effect.payload))
                    todo.extend([receipt] * {"lost down": 0, "twice": 2}.get(fault, 1))
            elif isinstance(effect, ToController) and isinstance(effect.message, Deliver):
                number = int(effect.message.body.split()[1])
                if number == sent < len(hub.wanted):
                    sent += 1
                    todo.append(batch(sent))
    assert hub.stored == hub.wanted


@pytest.mark.parametrize("payload", [b"a manifest", b"", b"\xff" * 9000])
def test_an_update_is_the_agents_own_matter_also_without_a_controller(payload: bytes):
    link = connected_link()
    assert link.handle(Received(topic(DOOR, "update"), payload), 0.0, 0.0) == [Offered(payload)]
    assert all(isinstance(each, ToController) and isinstance(each.message, LinkIs)
               for each in link.handle(ControllerHere(), 0.0, 0.0))  # fmt: skip
    (dropped,) = link.handle(Received(topic("hall-2", "update"), payload), 0.0, 0.0)
    assert isinstance(dropped, Drop)
