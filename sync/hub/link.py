"""The hub's end of the link: what doors publish goes to the collector and the service, lists and receipts go out.

    link = HubLink(settings, service, LinkKeys.load(folder), sessions)
    service.attach(link)
    link.start()
    …
    link.stop()

Two threads: paho's own, which only queues what arrives, and one worker, which does everything else in turn: it
verifies, stores all the batches that have come in since the last turn in one transaction, signs and publishes their
receipts, hands over state reports, and calls `service.due` every second. A message is acknowledged to the broker only
after what it says is stored, so a hub that dies in between gets it again: from the broker, and from the door, which
waits for its receipt.

Several hub processes share the doors' messages (shared subscriptions); each needs a `name` of its own.
"""

from __future__ import annotations

import logging
import queue
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from controller.formats.code_list import TYP as LIST_TYP
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, RECEIPT_TYP, Receipt
from controller.formats.jwe import encrypt
from controller.formats.jwk import VerifyKey
from controller.formats.limits import LIMITS
from controller.formats.state import MAX_BYTES, OFFLINE, STATE_TYP, StateReport, parse_state
from sync.hub.doors import in_service
from sync.hub.doors.commands import CommandDesk
from sync.hub.doors.readers import DoorReaders
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.link_ports import LinkService, LinkSettings
from sync.hub.mqtt import Client, Message, Reason, connect_properties, new_client, tls_of
from sync.hub.records.collector import Append, Placing, ReadBatch, read_batch
from sync.hub.records.forged_passes import passes_in
from sync.hub.records.log_store import LogStore
from sync.hub.store.database import Sessions
from sync.topics import HUB_SUBSCRIPTIONS, split, topic

KEEPALIVE_S = 30
# What doors publish while the hub restarts waits this long at the broker.
SESSION_EXPIRY_S = 3600
# Messages the broker may have outstanding with us: the bound of our queue, at most LIMITS.batch_bytes each.
RECEIVE_MAXIMUM = 128
# Outgoing: beyond these `publish` lets a message go; its door stays behind and gets it again.
INFLIGHT, QUEUED = 1_000, 10_000
DUE_S = 1.0
GATHER_S = 0.05
"""A state report waits so long for those of other doors: a turn costs more than what it takes in."""

FORGED = "forged_pass"

STATES = topic("+", "state")
SECRET = {"list": LIST_TYP}
"""What goes down encrypted, by the typ of the envelope inside."""


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Arrived:
    """A message of a door that is not acknowledged yet. `session` tells connections apart: a packet number means
    something within one connection only."""

    session: int
    packet: int
    door: str
    leaf: str
    payload: bytes


class HubLink:
    """The link of one hub process."""

    def __init__(
        self,
        settings: LinkSettings,
        service: LinkService,
        keys: LinkKeys,
        sessions: Sessions,
        *,
        name: str = "hub",
        keys_after: Callable[[], LinkKeys] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keys_after` gives the keys to go on with when another trust document has come in. Raises Refused
        `bad_settings` when the TLS files cannot be used."""
        self._address = settings.mqtt
        self._service = service
        self._keys = keys
        self._keys_after = keys_after
        self._readers = DoorReaders(sessions)
        self._commands = CommandDesk(sessions, keys.command_key, self.publish)
        self._store = LogStore(sessions)
        self._trust = TrustShelf(settings.folders.keys / TRUST)
        self._versions = self._trust.count()
        self._held: dict[str, int] = {}
        self._clock = clock
        self._arrived: queue.SimpleQueue[_Arrived] = queue.SimpleQueue()
        self._again: list[_Arrived] = []
        self._session = 0
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._work, name="hub-link")
        self._client = self._new_client(name, tls_of(settings.folders.tls))

    def start(self) -> None:
        """Start connecting; returns at once and keeps trying."""
        properties = connect_properties(
            SessionExpiryInterval=SESSION_EXPIRY_S,
            ReceiveMaximum=RECEIVE_MAXIMUM,
            MaximumPacketSize=LIMITS.sealed_batch_bytes + 4096,
        )
        self._client.connect_async(
            self._address.host, self._address.port, keepalive=KEEPALIVE_S, clean_start=False, properties=properties
        )
        self._client.loop_start()
        self._worker.start()

    def stop(self) -> None:
        """Finish the turn at hand, then disconnect. What is not acknowledged stays with the broker."""
        self._stopping.set()
        self._worker.join()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._client.is_connected()

    def publish(self, topic: str, payload: bytes, retain: bool) -> bool:
        """Publish at QoS 1; neither waits nor raises. False without a connection: the message is let go, and is due
        again."""
        # Asked first, because paho would hoard what it cannot send.
        if not self._client.is_connected():
            return False
        self._client.publish(topic, self._for_the_door_alone(topic, payload), qos=1, retain=retain)
        return True

    def _for_the_door_alone(self, name: str, payload: bytes) -> bytes:
        """What is secret, encrypted to its door at the last moment: the broker never sees codes, and what rests in the
        database can be judged by the hub itself. A door without a key gets the empty message, which deletes what the
        broker retained."""
        door, leaf = split(name) or ("", "")
        typ = SECRET.get(leaf)
        if typ is None:
            return payload
        try:
            return encrypt(payload, typ, self._readers.of(door)).encode("ascii")
        except Refused as refused:
            log.info("nothing for %s: %s", door, refused)
            return b""

    # --- paho's thread ---

    def _new_client(self, name: str, tls: ssl.SSLContext) -> Client:
        client = new_client(name, tls, manual_ack=True)
        client.reconnect_delay_set(min_delay=1, max_delay=60)
        client.max_inflight_messages_set(INFLIGHT)
        client.max_queued_messages_set(QUEUED)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: Client, _data: object, _flags: object, reason: Reason, _properties: object) -> None:
        if reason.is_failure:
            log.error("the broker refuses the hub: %s", reason)
            return
        log.info("connected to the broker")
        self._session += 1
        client.subscribe([(name, 1) for name in HUB_SUBSCRIPTIONS])
        # Retained messages do not come with a shared subscription, and what doors said while nobody listened is in
        # them: ask for those once, without staying subscribed.
        client.subscribe(STATES, 1)
        client.unsubscribe(STATES)

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: object, reason: Reason, _properties: object
    ) -> None:
        log.warning("disconnected from the broker: %s", reason)

    def _on_message(self, client: Client, _data: object, message: Message) -> None:
        door_and_leaf = split(message.topic)
        # Doors publish at QoS 1. Anything less has no place in the broker's window, so nothing would bound the queue.
        if message.qos != 1:
            return
        if door_and_leaf is None:
            client.ack(message.mid, message.qos)
            return
        self._arrived.put(_Arrived(self._session, message.mid, *door_and_leaf, bytes(message.payload)))

    # --- the worker ---

    def _work(self) -> None:
        due_at_s = time.monotonic()
        while not self._stopping.is_set():
            messages = self._take(max(0.0, due_at_s - time.monotonic()))
            self._attempt(messages)
            if time.monotonic() >= due_at_s:
                due_at_s = time.monotonic() + DUE_S
                self._attempt_due()

    def _attempt(self, messages: list[_Arrived]) -> None:
        try:
            self._handle(messages)
        except SQLAlchemyError:
            # Nothing was acknowledged and nothing receipted. Kept here, because what stays unacknowledged fills the
            # broker's window, and a full one would leave the hub deaf when the database is back. Before whatever came
            # since: an older state taken after a newer one would say that a list is not there which is.
            log.exception("the database failed, trying again")
            self._again += messages
            self._stopping.wait(DUE_S)
        except Exception:
            # A bug must not end this thread and leave a hub that looks alive and hears nobody.
            log.exception("a turn failed")
            self._one_by_one(messages)

    def _one_by_one(self, messages: list[_Arrived]) -> None:
        """So that a message which cannot be handled costs nobody else's: a state that is lost comes again after a
        minute only. That one itself is done with, for it would fail for ever and fill the window."""
        if len(messages) == 1:
            self._acknowledge(messages)
            return
        for place, message in enumerate(messages):
            self._attempt([message])
            if self._again:
                self._again += messages[place + 1 :]
                return

    def _acknowledge(self, messages: list[_Arrived]) -> None:
        for message in messages:
            if message.session == self._session:
                self._client.ack(message.packet, 1)

    def _attempt_due(self) -> None:
        now = int(self._clock())
        # One that cannot be done (a key file that cannot be read) does not keep the others waiting.
        for step in (self._follow_trust, partial(self._service.due, now), partial(self._commands.due, now)):
            try:
                step()
            except Exception:
                log.exception("what was due failed; it stays due")

    def _take(self, wait_s: float) -> list[_Arrived]:
        """What is to be tried again and what has arrived, waiting at most `wait_s` for the first message."""
        messages, self._again = self._again, []
        try:
            if not messages:
                messages.append(self._arrived.get(timeout=wait_s))
                if messages[0].leaf == "state":
                    time.sleep(GATHER_S)
            while len(messages) < RECEIVE_MAXIMUM:
                messages.append(self._arrived.get_nowait())
        except queue.Empty:
            pass
        return messages

    def _handle(self, messages: list[_Arrived]) -> None:
        batches: list[ReadBatch] = []
        reports: list[StateReport] = []
        door_keys = self._service.event_keys({message.door for message in messages}) if messages else {}
        for message in messages:
            if message.leaf == "state" and message.payload == OFFLINE:
                log.info("%s is offline", message.door)
                continue
            try:
                door_key = door_keys.get(message.door)
                if door_key is None:
                    raise Refused("unknown_door", "topic", "no such door, or not enrolled")
                match message.leaf:
                    case "events":
                        batches.append(self._read_batch(message, door_key))
                    case "state":
                        reports.append(_read_state(message, door_key))
                    case "answer":
                        self._commands.answered(message.door, message.payload, door_key, int(self._clock()))
            except Refused as refused:
                log.warning("%s of %s refused: %s", message.leaf, message.door, refused)
        self._take_reports(reports)
        self._store_and_receipt(batches)
        self._acknowledge(messages)

    def _read_batch(self, message: _Arrived, door_key: VerifyKey) -> ReadBatch:
        try:
            if len(message.payload) > LIMITS.sealed_batch_bytes:
                raise Refused("too_large", "batch", f"over {LIMITS.sealed_batch_bytes} bytes")
            text = message.payload.decode("ascii", "replace")
            data = self._keys.read(text, BATCH_TYP, max_bytes=LIMITS.sealed_batch_bytes)
            return read_batch(data, message.door, door_key)
        except Refused as refused:
            self._store.refused(message.door, refused.code, int(self._clock()))
            raise

    def _take_reports(self, reports: list[StateReport]) -> None:
        """What doors say of themselves. Every door does each minute, so it is taken in together."""
        if not reports:
            return
        now_s = int(self._clock())
        for forgotten in self._store.receipts_reported(reports, now_s):
            self._publish_receipt(forgotten)
        for report in reports:
            self._held[report.door] = report.trust_version
            self._offer_trust(report.door, report.trust_version)
        for not_taken in self._service.doors_reported(reports, now_s):
            log.warning("a state refused: %s", not_taken)

    def _follow_trust(self) -> None:
        """A ceremony's document has come in: the doors are to have it before anything that its keys sign."""
        versions = self._trust.count()
        if versions == self._versions:
            return
        log.info("trust document version %d", versions)
        for door in self._readers.every():
            self._offer_trust(door, self._held.get(door, 0))
        if self._keys_after is not None:
            self._keys = self._keys_after()
            self._commands.use(self._keys.command_key)
        self._versions = versions

    def _offer_trust(self, door: str, version: int) -> None:
        """Give a door that is behind every version since its own. Doors report at least once a minute."""
        newer = self._trust.since(version)
        if newer is not None:
            self.publish(topic(door, "trust"), newer, retain=True)

    def _store_and_receipt(self, batches: list[ReadBatch]) -> None:
        if not batches:
            return
        answers = self._store.store(batches, int(self._clock()))
        for batch, answer in zip(batches, answers, strict=True):
            # Also what is stored already: it comes again when this process died before it came here.
            self._check_passes(batch, answer.placing)
            self._check_service(batch)
        # The last receipt of a log says it all.
        receipts = {(answer.receipt.door, answer.receipt.log): answer.receipt for answer in answers}
        for receipt in receipts.values():
            self._publish_receipt(receipt)

    def _check_passes(self, batch: ReadBatch, placing: Placing) -> None:
        """Alarm `forged_pass`: it is among the door's incidents, and the group's key is another one already. The
        incident says how far the log was looked through, so that what comes again is not answered again."""
        door, name = batch.statement.door, batch.statement.log
        news = placing.records if isinstance(placing, Append) else ()
        # What moved here from another log is stored as known where it is: only as news does it tell anything.
        used = passes_in(each for each in batch.records if each.event.was is None or each in news)
        if not used:
            return
        done = self._store.incident_at(door, FORGED)
        used = {credential: seq for credential, seq in used.items() if name != done[0] or seq > done[1]}
        for credential in sorted(self._service.passes_used(door, set(used), int(self._clock()))) if used else ():
            log.critical("%s was opened by pass %s, which was never issued: its group has a new key", door, credential)
            self._store.refused(door, FORGED, int(self._clock()), name, max(used.values()))

    def _check_service(self, batch: ReadBatch) -> None:
        told = in_service.told_in(batch.records)
        if told:
            log.info("%s: commissioning %s", batch.statement.door, told[-1].reason)
            self._service.commissioned(batch.statement.door, told, int(self._clock()))

    def _publish_receipt(self, receipt: Receipt) -> None:
        sealed = seal(canonical(receipt), RECEIPT_TYP, self._keys.receipt_key)
        self.publish(topic(receipt.door, "receipt"), sealed, retain=True)


def _read_state(message: _Arrived, door_key: VerifyKey) -> StateReport:
    keys = {door_key.thumbprint: door_key}
    report = parse_state(open_envelope(message.payload, STATE_TYP, keys, max_bytes=MAX_BYTES).payload)
    if report.door != message.door:
        raise Refused("wrong_door", "state.door", "not the door whose topic and key it came with")
    return report
