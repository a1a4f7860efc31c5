"""Somebody who reads everything the broker passes on, with all rights: what the network can see of a town.

    tap = Tap(hub_tls_folder, port, out)      # `out` gets one JSON line a message: topic, retained, payload in base64
    …
    tap.close()
    for message in read(out): …

It listens as an account of its own, `zs.tap`, which only the demo's broker knows. Whoever owns a broker needs none.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from sync.hub.keys.ca import Authority

NAME: Final = "zs.tap"
RIGHTS: Final = (
    f"\n# The demo's own listener: reads everything, says nothing.\nuser {NAME}\ntopic read #\ntopic read $SYS/#\n"
)
EVERYTHING: Final = ("#", "$SYS/#", "$share/tap/#")


@dataclass(frozen=True)
class Overheard:
    """A message as it passed the broker."""

    topic: str
    retained: bool
    payload: bytes


class Tap:
    """Listens from now on until it is closed; `tls` holds the authority that the broker knows."""

    def __init__(self, tls: Path, port: int, out: Path) -> None:
        certificate, private_key = out.with_suffix(".pem"), out.with_suffix(".key")
        pair = Authority.load(tls).client(NAME, datetime.now(UTC))
        for path, pem in zip((certificate, private_key), pair, strict=True):
            path.write_bytes(pem)
        self._out = out.open("a", encoding="ascii")
        self._writing = threading.Lock()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=NAME, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.tls_set(str(tls / "ca.pem"), str(certificate), str(private_key))
        self._client.on_connect = lambda client, *_: client.subscribe([(name, 1) for name in EVERYTHING])
        self._client.on_message = self._heard
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    @property
    def listening(self) -> bool:
        """Whether the broker has let it in."""
        return self._client.is_connected()

    def close(self) -> None:
        """Stop listening; what was heard is on disk."""
        self._client.disconnect()
        self._client.loop_stop()
        with self._writing:
            self._out.close()

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        payload = base64.b64encode(message.payload).decode("ascii")
        line = json.dumps({"topic": message.topic, "retained": bool(message.retain), "payload": payload})
        with self._writing:
            if not self._out.closed:
                self._out.write(line + "\n")
                self._out.flush()


def read(file: Path) -> Iterator[Overheard]:
    """Everything that a tap has written so far."""
    for line in file.read_text("ascii").splitlines():
        said = json.loads(line)
        yield Overheard(said["topic"], said["retained"], base64.b64decode(said["payload"]))
