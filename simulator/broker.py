"""The demo's own broker: Mosquitto on the configuration that `firmware-config/` ships, on a port of its own.

Only what belongs to the machine is changed: paths, port, loopback, the account. What keeps doors apart is as shipped.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
from pathlib import Path
from typing import Final

SHIPPED: Final = Path(__file__).resolve().parents[1] / "firmware-config" / "mosquitto"
ETC: Final = "/etc/zaalsleutel/broker"
LISTENER: Final = "listener 8883"
# Debian keeps it where an ordinary account does not look.
SEARCHED: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))


class NoBroker(Exception):
    """There is no Mosquitto here, or no configuration for it; the text says what to do."""


def command(configuration: Path) -> list[str]:
    """What starts the broker. Raises NoBroker."""
    program = shutil.which("mosquitto", path=SEARCHED)
    if program is None:
        raise NoBroker("mosquitto is not installed: apt-get install --no-install-recommends mosquitto")
    return [program, "-c", str(configuration)]


def write_configuration(folder: Path, tls: Path, port: int, more_rights: str = "") -> Path:
    """The shipped configuration, told that certificates are in `tls` (made by `hub init`) and to listen on
    127.0.0.1:`port` only; `more_rights` are further lines for the ACL. Returns the file, in `folder`. Raises
    NoBroker."""
    try:
        shipped = (SHIPPED / "zaalsleutel.conf").read_text("utf-8")
        rights = (SHIPPED / "zaalsleutel.acl").read_text("utf-8")
        (folder / "zaalsleutel.acl").write_text(rights + more_rights, "utf-8")
    except OSError as error:
        raise NoBroker(f"the broker's configuration is not here, is this a clone? {error}") from None
    lines = [
        # Mosquitto gives up root's rights for an account of its own, which could not read the demo's folder.
        f"user {getpass.getuser()}",
        shipped.replace(f"{ETC}/zaalsleutel.acl", str(folder / "zaalsleutel.acl"))
        .replace(ETC, str(tls))
        .replace(LISTENER, f"listener {port} 127.0.0.1"),
    ]
    path = folder / "mosquitto.conf"
    path.write_text("\n".join(lines), "utf-8")
    return path


def answers(port: int) -> bool:
    """Whether something listens on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
