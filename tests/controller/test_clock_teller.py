"""The process that may ask the kernel, and the clock that reads what it says."""

import os
import signal
import socket
import subprocess
import sys

from hal.clock_linux import LinuxClock, Settings, raw_ms


def test_it_tells_says_that_it_is_ready_and_is_believed_no_longer_than_it_lives(tmp_path):
    told, announced = tmp_path / "ntp", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(announced))
        listener.settimeout(20)
        command = [sys.executable, "-m", "controller.clock_teller", str(told)]
        process = subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": str(announced)})
        try:
            assert listener.recv(100) == b"READY=1"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    raw, utc = told.read_text().split()
    assert 0 <= raw_ms() - int(raw) < 60_000
    assert told.stat().st_mode & 0o777 == 0o644
    clock = LinuxClock(Settings(told=str(told)))
    # Whether this machine has NTP is not for a test to say; what it said is what is read, with the time since added.
    told.write_text(f"{raw_ms()} {utc}\n")
    read = clock.ntp_ms()
    assert (read is None) == (utc == "-") and (read is None or 0 <= read - int(utc) < 60_000)
    told.write_text(f"{raw_ms() - 31_000} 1784291415678\n")
    assert clock.ntp_ms() is None
