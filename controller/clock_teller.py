"""Tells the controller whether NTP holds the system's time: `python3 -m controller.clock_teller FILE`.

To ask the kernel takes the same system call as to set its clock, so the one process that may make it has nothing
else: no network, no device, no data. Every few seconds it writes one line, `RAW UTC`: the raw counter and the system's
time in milliseconds, or `-` while NTP does not hold. `hal/clock_linux.py` reads it, and believes no old line.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from controller.notify import notify
from hal.clock_linux import TELL_EVERY_S, KernelClock, told_line


def tell(path: Path, kernel: KernelClock) -> None:
    """Write one line, whole or not at all. Raises OSError."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(told_line(kernel), "ascii")
    beside.chmod(0o644)
    os.replace(beside, path)


def main() -> None:
    """Until it is stopped. A file that cannot be written ends it: systemd starts it again."""
    path, kernel = Path(sys.argv[1]), KernelClock()
    tell(path, kernel)
    notify("READY=1")
    while True:
        time.sleep(TELL_EVERY_S)
        tell(path, kernel)
        notify("WATCHDOG=1")


if __name__ == "__main__":
    main()
