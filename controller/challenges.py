"""Challenges the door has given out, and the commands that answer them.

Pure but for the bytes of chance that come in: times are monotonic milliseconds. A challenge is spent by the first
command that names it, whatever becomes of that command; the door then records it before anything moves.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.formats import command as formats
from controller.formats.command import Answer, Command
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.jwe import DecryptKey, decrypt
from controller.formats.jwk import Signer
from controller.formats.trust import Trust

GOOD_MS = 30_000
OPEN_MAX = 8  # whoever floods the door with asks gets the oldest challenge forgotten: delay, no more
ALWAYS = frozenset({"lockdown", "resume", "self_test"})


class Challenges:
    """`allowed` are the verbs the unit's own configuration permits beside those that let nobody in."""

    def __init__(
        self,
        door: str,
        signer: Signer,
        decrypt_key: DecryptKey,
        allowed: frozenset[str],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._door = door
        self._signer = signer
        self._decrypt_key = decrypt_key
        self._allowed = allowed | ALWAYS
        self._entropy = entropy
        self._open: dict[str, int] = {}  # challenge -> when it was given, oldest first

    def answer(self, body: str, now_ms: int) -> str:
        """The signed answer to an ask. Raises Refused."""
        ask = formats.parse_ask(body.encode("utf-8"))
        if ask.door != self._door:
            raise Refused("wrong_door", "ask.door", "meant for another door")
        challenge = self._entropy(formats.NONCE_BYTES).hex()
        self._open[challenge] = now_ms
        while len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
        answer = Answer(ask=ask.ask, challenge=challenge, door=self._door)
        return seal(canonical(answer), formats.ANSWER_TYP, self._signer).decode("ascii")

    def judge(self, body: str, trust: Trust | None, now_ms: int, now_s: int) -> Command:
        """The command in what was delivered. Raises Refused: what decryption and the envelope raise, `unknown_key`
        without a trust document, `trust_expired`, `wrong_door`, `unknown_challenge` (replayed, late, or from before
        the last start), `not_allowed`."""
        if trust is None:
            raise Refused("unknown_key", "command", "this unit has no trust document")
        if now_s >= trust.expires:
            raise Refused("trust_expired", "trust", "the trust document has expired: no command")
        envelope = decrypt(body, formats.TYP, self._decrypt_key, max_bytes=formats.SEALED_BYTES)
        keys = trust.living(now_s).keys_for("command", self._door)
        command = formats.parse_command(
            open_envelope(envelope, formats.TYP, keys, max_bytes=formats.SEALED_BYTES).payload
        )
        if command.door != self._door:
            raise Refused("wrong_door", "command.door", "made for another door")
        given_ms = self._open.pop(command.challenge, None)
        if given_ms is None or now_ms - given_ms > GOOD_MS:
            raise Refused("unknown_challenge", "command.challenge", "answers no open challenge of this door")
        if command.verb not in self._allowed:
            raise Refused("not_allowed", "command.verb", "this door's own configuration does not permit it")
        return command
