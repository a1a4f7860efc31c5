"""How long the controller takes to be ready, and how much memory it holds, against a bare interpreter."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress

from controller.formats.messages import Deliver, encode_line
from simulator.door_client import DoorClient
from tests.bench.bench_door import GRANTS, Bench, make_list, pin_of
from tests.bench.measure import Result, against_floor, result

STARTS = 12
PATIENCE_S = 60.0


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
    """Resident memory of a controller process of its own, as an installation starts it, after an install of 5,000
    grants and one PIN, in MB; against an interpreter that does nothing."""
    keys, keypad = pty.openpty()
    tty.setraw(keypad)
    bench = Bench(folder, 10)
    tables = bench._tables(os.ttyname(keypad))
    made = make_list(GRANTS, bench.kdf, int(time.time()), bench.list.version + 1)
    delivered = encode_line(Deliver(kind="list", body=bench.sealed(made)))
    bench.close()
    config = folder / "unit.toml"
    config.write_text(_toml({**tables, "keypads": {}, "keypads.outside": tables["keypads"]["outside"]}), "utf-8")  # type: ignore[dict-item]
    door = DoorClient(folder)
    with running([sys.executable, "-m", "zaalsleutel", "door", "run", "--config", str(config)]) as unit:
        _wait(door.answers)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(str(folder / "sync.sock"))
            agent.sendall(delivered)
            _wait(lambda: door.status().grants == GRANTS)
            os.write(keys, pin_of(1).encode())
            _wait(lambda: door.status().released)
            held = _resident_mb(unit.pid)
    with running([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]) as bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        empty = _resident_mb(bare.pid)
    return [result("controller memory after 5,000 grants and a PIN, MB", held, empty, 8)]


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended at the end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait(come_true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        try:
            if come_true():
                return
        except OSError:
            pass  # nobody answers yet
        time.sleep(0.05)
    raise RuntimeError("the controller did not get there in time")


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"process {pid} has no resident memory")


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
