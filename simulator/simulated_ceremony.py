"""The people with the offline keys, in the simulated world: three roots of which two sign, always in time."""

from __future__ import annotations

from collections.abc import Callable

from controller.formats import trust_step
from controller.formats.encoding import canonical
from controller.formats.jwe import DecryptKey
from controller.formats.jwk import SigningKey
from controller.formats.trust import KeyState, Purpose, Trust, TrustKey

FAR_S = 1 << 39
THRESHOLD, ROOTS = 2, 3


class Ceremony:
    """Every version it ever signed, oldest first, is in `documents`."""

    def __init__(self, make_key: Callable[[], SigningKey], collect: DecryptKey) -> None:
        self.documents: list[bytes] = []
        self.epoch = 1
        self._roots = [make_key() for _ in range(ROOTS)]
        self._collect = TrustKey(
            jwk=collect.encrypt_key.jwk(), purpose="collect", state="active", doors=("",), expires=FAR_S
        )

    @property
    def version(self) -> int:
        """The newest version."""
        return len(self.documents)

    def sign(self, named: list[tuple[SigningKey, Purpose, KeyState]], time_floor: int | None = None) -> None:
        """The next version, naming these keys."""
        keys = [
            TrustKey(jwk=key.verify_key.jwk(), purpose=purpose, state=state, doors=("",), expires=FAR_S)
            for key, purpose, state in named
        ]
        document = Trust(
            version=self.version + 1,
            epoch=self.epoch,
            issued=0,
            expires=FAR_S,
            threshold=THRESHOLD,
            roots=tuple(root.verify_key.jwk() for root in self._roots),
            keys=(*keys, self._collect),
            authorities=(),
            time_floor=time_floor,
        )
        self.documents.append(trust_step.sign(canonical(document), self._roots[:THRESHOLD]))

    def since(self, version: int) -> bytes:
        """The `trust` message for a door that holds `version`."""
        return trust_step.pack(self.documents[max(0, version - 1) :])
