"""Every list of a fleet re-signed, delivered and verified, against the same cryptography and broker without a hub.

Path: a policy of the town changes, as `hub apply` does it; the hub looks up, builds, signs, stores, encrypts and
publishes; doors at a real broker decrypt and verify. Floor: lists of the same content that lie ready are signed,
encrypted, published to the same doors, decrypted and verified. Both until the last door has its list, with doors,
broker and hub on this one machine.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from rich.progress import Progress

from controller.formats import code_list, jwe
from controller.formats.envelope import seal, unverified
from simulator.broker import NoBroker
from simulator.fleet import Fleet, Phase, Size
from sync.topics import topic
from tests.bench.measure import Missing, Result, result

GRANTS = 100
LATER = 1_000_000
"""Added to the lists' numbers for the floor, so that they are newer than any."""


def of_200(folder: Path, progress: Progress) -> list[Result]:
    """A town."""
    return [_resigned(folder, 200, progress)]


def of_2000(folder: Path, progress: Progress) -> list[Result]:
    """A city."""
    return [_resigned(folder, 2_000, progress)]


def _resigned(folder: Path, doors: int, progress: Progress) -> Result:
    bar = progress.add_task(f"{doors} doors")

    def tell(what: str, done: int, total: int) -> None:
        progress.update(bar, description=f"{doors} doors: {what}", completed=done, total=total)

    try:
        with Fleet(folder / "fleet", Size(doors, GRANTS), tell) as fleet:
            fleet.prepare()
            fleet.herd()
            path = fleet.push()
            fleet.stop_hub()
            floor = _without_hub(fleet)
    except NoBroker as reason:
        raise Missing(str(reason)) from None
    name = f"{doors:,} lists of {GRANTS} grants re-signed, delivered, verified, s"
    return result(name, path.seconds, floor.seconds, 2.0)


def _without_hub(fleet: Fleet) -> Phase:
    """The floor: everything lies ready but signature and encryption."""
    ready: list[tuple[str, bytes, jwe.EncryptKey]] = []
    for kit in fleet.kits:
        before = code_list.parse(unverified(fleet.hub.service.list_of(kit.id)).payload)
        newer = msgspec.structs.replace(before, version=before.version + LATER)
        ready.append((kit.id, code_list.dump(newer), jwe.load_private(kit.reading).encrypt_key))
    signing = fleet.hub.service.bench.keyring.list_key
    publish, close = _publisher(fleet)

    def publish_all() -> None:
        for door, payload, reader in ready:
            envelope = seal(payload, code_list.TYP, signing)
            publish(topic(door, "list"), jwe.encrypt(envelope, code_list.TYP, reader))

    try:
        return fleet.silently("without a hub", publish_all)
    finally:
        close()


def _publisher(fleet: Fleet) -> tuple[Callable[[str, str], object], Callable[[], None]]:
    """What publishes with the hub's certificate, and what ends it."""
    tls = fleet.hub.settings.folders.tls
    context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
    context.load_cert_chain(tls / "hub.pem", tls / "hub.key")
    client = Client(CallbackAPIVersion.VERSION2, client_id="bench", protocol=MQTTProtocolVersion.MQTTv5)
    client.tls_set_context(context)
    client.max_inflight_messages_set(1_000)
    client.connect("127.0.0.1", fleet.broker_port)
    client.loop_start()

    def close() -> None:
        client.disconnect()
        client.loop_stop()

    return lambda name, payload: client.publish(name, payload, qos=1, retain=True), close
