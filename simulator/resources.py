"""What processes and folders take, as the kernel tells: memory, processor time, descriptors, bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """The proportional share (PSS) of a process, in bytes: what several processes share counts once in their sum."""
    return _rollup(pid, "Pss")


def own_memory_of(pid: int) -> float:
    """What a process holds of its own (anonymous pages), in bytes. Unlike its share it does not move when another
    program that uses the same libraries ends."""
    return _rollup(pid, "Anonymous")


def _rollup(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    raise OSError(f"process {pid} has no memory")


def processor_s(pid: int) -> float:
    """Processor seconds a process has used, all its threads together."""
    # The name in parentheses may hold blanks; utime and stime are the 12th and 13th field after it.
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def descriptors_of(pid: int) -> int:
    """Open file descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads_of(pid: int) -> int:
    """Threads of a process."""
    return len(os.listdir(f"/proc/{pid}/task"))


def bytes_in(folder: Path) -> float:
    """What the files below a folder take, in bytes."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # replaced or checkpointed away while we looked
    return float(total)
