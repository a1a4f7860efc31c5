"""How long the controller takes to be ready, and how much memory it holds, against a bare interpreter."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from rich.progress import Progress

from tests.bench.bench_door import Bench, make_list, pin_of
from tests.bench.measure import Result, against_floor, result

STARTS = 12


def starting(folder: Path, progress: Progress) -> list[Result]:
    """`zaalsleutel door run` until `READY=1`, with 2,000 grants installed."""
    bench = Bench(folder, 2_000)
    tables = bench._tables("/dev/null")
    bench.close()
    config = folder / "unit.toml"
    config.write_text(_toml({**tables, "keypads": {}, "camera": {"driver": "opencv", "source": "0"}}), "utf-8")
    ready = folder / "notify"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(ready))
    manager.settimeout(20)
    environment = {**os.environ, "NOTIFY_SOCKET": str(ready)}

    def start() -> float:
        began = time.perf_counter()
        command = [sys.executable, "-m", "zaalsleutel", "door", "run", "--config", str(config)]
        with subprocess.Popen(command, env=environment) as unit:
            while manager.recv(256) != b"READY=1":
                pass
            spent = time.perf_counter() - began
            unit.terminate()
        while True:  # what it said while it stopped
            manager.setblocking(False)
            try:
                manager.recv(256)
            except BlockingIOError:
                manager.setblocking(True)
                manager.settimeout(20)
                return spent

    def bare() -> None:
        subprocess.run([sys.executable, "-c", "pass"], check=True)

    return against_floor("controller start to READY, 2,000 grants", start, bare, {50: 14}, progress, rounds=STARTS)


def memory(folder: Path, _progress: Progress) -> list[Result]:
    """Resident memory after an install of 5,000 grants and one PIN, in MB."""
    script = (
        "import sys; from pathlib import Path; from tests.bench.bench_start import fill; fill(Path(sys.argv[1]));"
        "print(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1])"
    )
    full = subprocess.run([sys.executable, "-c", script, str(folder)], check=True, capture_output=True, text=True)
    bare = "print(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1])"
    floor = subprocess.run([sys.executable, "-c", bare], check=True, capture_output=True, text=True)
    held, empty = (int(done.stdout.split()[-1]) / 1024 for done in (full, floor))
    return [result("controller memory after 5,000 grants and a PIN, MB", held, empty, 8)]


def fill(folder: Path) -> None:
    """What the memory bench measures, in a process of its own."""
    bench = Bench(folder, 10)
    bench.install(make_list(5_000, bench.kdf, int(time.time()), bench.list.version + 1))
    bench.type_pin(pin_of(1))


def _toml(tables: dict[str, dict[str, object]]) -> str:
    lines: list[str] = []
    for section, table in tables.items():
        if table:
            lines.append(f"[{section}]")
            lines += [
                f"{key} = {value if isinstance(value, int) else chr(34) + str(value) + chr(34)}"
                for key, value in table.items()
            ]
    return "\n".join(lines) + "\n"
