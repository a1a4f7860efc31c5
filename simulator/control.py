"""The control socket of virtual hardware: one JSON request a line, one JSON reply a line.

A request is `{"do": verb, ...arguments}`; a reply is `{"ok": true, ...}` or `{"ok": false, "error": text}`. The verbs
are listed in `simulator.hardware`; this module only carries them. It loads nothing heavy, so a command that presses a
button starts quickly.
"""

import base64
import json
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

Reply = dict[str, Any]


class HardwareRefused(Exception):
    """The virtual hardware did not do what it was asked; the text says why."""


class ControlServer:
    """Answers on a Unix socket, each connection on its own thread.

    `perform(verb, arguments)` gives the reply's members; `TypeError`, `ValueError`, `LookupError` and `OSError` from it
    are told to the caller.
    """

    def __init__(self, path: str | os.PathLike[str], perform: Callable[[str, dict[str, Any]], Reply]) -> None:
        self._perform = perform
        self._path = Path(path)
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(os.fspath(path))
        self._listener.listen()
        threading.Thread(target=self._accept, name="control", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):  # never connected
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(caller,), name="control-caller", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with suppress(OSError), caller, caller.makefile("rwb") as lines:
            for line in lines:
                lines.write(json.dumps(self._answer(line)).encode() + b"\n")
                lines.flush()

    def _answer(self, line: bytes) -> Reply:
        try:
            arguments = json.loads(line)
            return {"ok": True, **self._perform(arguments.pop("do"), arguments)}
        except (TypeError, ValueError, LookupError, AttributeError, OSError) as cause:
            return {"ok": False, "error": f"{type(cause).__name__}: {cause}"}


class HardwareClient:
    """The other end. One request at a time; methods raise `HardwareRefused`, or `OSError` when nobody answers::

    with HardwareClient(path) as hardware:
        hardware.keys("482913#")
        assert hardware.push(wait_s=3) == "opened"
    """

    def __init__(self, path: str | os.PathLike[str], timeout_s: float = 30.0) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(timeout_s)
        try:
            self._connection.connect(os.fspath(path))
        except BaseException:
            self._connection.close()
            raise
        self._lines = self._connection.makefile("rwb")

    def __enter__(self) -> "HardwareClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._connection.close()

    def do(self, verb: str, **arguments: Any) -> Reply:
        """Any verb; the reply without `ok`."""
        self._lines.write(json.dumps({"do": verb, **arguments}).encode() + b"\n")
        self._lines.flush()
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the virtual hardware hung up")
        reply: Reply = json.loads(line)
        if not reply.pop("ok"):
            raise HardwareRefused(reply["error"])
        return reply

    def keys(self, keys: str, interval_s: float = 0.05) -> None:
        """Type on the keypad; returns when the last key is down."""
        self.do("keys", keys=keys, interval_s=interval_s)

    def show(self, image: str | os.PathLike[str] | bytes, seconds: float | None = None) -> None:
        """Hold a picture (path or file bytes) up to the camera, for `seconds` or until `hide`."""
        shown = base64.b64encode(image).decode() if isinstance(image, bytes) else os.path.abspath(image)
        self.do("show", seconds=seconds, **{"image_base64" if isinstance(image, bytes) else "image": shown})

    def hide(self) -> None:
        """Take the picture away."""
        self.do("hide")

    def push(self, *, wait_s: float = 0.0, force: bool = False) -> str:
        """Push from outside, leaning on the leaf for `wait_s`: `opened`, `locked`, `forced` or `open already`."""
        return str(self.do("push", wait_s=wait_s, force=force)["result"])

    def pull_inside(self) -> None:
        """Use the inside handle."""
        self.do("pull_inside")

    def close_leaf(self) -> None:
        """Close the leaf."""
        self.do("close_leaf")

    def exit_button(self, seconds: float = 0.2) -> None:
        """Press the exit button for that long."""
        self.do("exit_button", seconds=seconds)

    def switch(self, name: str, closed: bool) -> None:
        """Set the switch on a named line (tamper, housing, ...)."""
        self.do("switch", name=name, closed=closed)

    def cut(self, *, silent: bool = False) -> None:
        """Cut the network cable."""
        self.do("cut", silent=silent)

    def mend(self) -> None:
        """Mend the network cable."""
        self.do("mend")

    def state(self) -> Reply:
        """Everything that can be seen from outside."""
        return self.do("state")

    def history(self, name: str) -> Sequence[tuple[float, bool]]:
        """Level changes of a named line: (monotonic seconds, high)."""
        return [(at_s, high) for at_s, high in self.do("history", name=name)["changes"]]
