"""A Mosquitto of the test's own: TLS, client certificates, a free port, nothing kept on disk."""

from __future__ import annotations

import datetime
import getpass
import socket
import subprocess
import time
from pathlib import Path

from simulator.ports import free_port
from sync.hub.keys.ca import Authority, make_tls


class Mosquitto:
    """`folder` gets `ca.pem`, the broker's and the hub's certificates, and one per door."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        make_tls(folder, ["localhost"], _now())

    def door_certificate(self, door: str) -> tuple[Path, Path]:
        """Certificate and private key of a door."""
        paths = self.folder / f"{door}.pem", self.folder / f"{door}.key"
        for path, pem in zip(paths, Authority.load(self.folder).client(door, _now()), strict=True):
            path.write_bytes(pem)
        return paths

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\npersistence false\nallow_anonymous false\n"
            f"cafile {self.folder}/ca.pem\ncertfile {self.folder}/broker.pem\nkeyfile {self.folder}/broker.key\n"
            "require_certificate true\nuse_identity_as_username true\nmax_packet_size 8000000\n"
        )
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError((self.folder / "mosquitto.log").read_text())

    def stop(self) -> None:
        """End it at once; what it retained is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
