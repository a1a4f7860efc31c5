"""The people with the offline keys, in the simulated world: three roots of which two sign, always in time."""

from __future__ import annotations

from collections.abc import Callable

from controller.formats import trust_step
from controller.formats.encoding import canonical
from controller.formats.jwe import DecryptKey
from controller.formats.jwk import SigningKey
from controller.formats.trust import KEY_LIFE_S, LIFE_S, KeyState, Purpose, Trust, TrustKey

THRESHOLD, ROOTS = 2, 3
RENEW_S = KEY_LIFE_S // 2
"""They meet again when the online keys have lived half their life."""

Named = list[tuple[SigningKey, Purpose, KeyState]]


class Ceremony:
    """Every version it ever signed, oldest first, is in `documents`; `issued` is the date on the newest."""

    def __init__(self, make_key: Callable[[], SigningKey], collect: DecryptKey) -> None:
        self.documents: list[bytes] = []
        self.epoch = 1
        self.issued = 0
        self._make_key = make_key
        self._roots = [make_key() for _ in range(ROOTS)]
        self._collect = collect.encrypt_key.jwk()

    @property
    def version(self) -> int:
        """The newest version."""
        return len(self.documents)

    def due(self, now_s: int) -> bool:
        """Whether the newest version is to be renewed."""
        return now_s >= self.issued + RENEW_S

    def sign(self, named: Named, now_s: int, time_floor: int | None = None) -> None:
        """The next version, naming these keys."""
        self._sign(named, now_s, time_floor, self._roots, self._roots[:THRESHOLD])

    def replace_root(self, named: Named, now_s: int) -> None:
        """The next version with another root in the place of the oldest, which is lost and signs nothing."""
        roots = [*self._roots[1:], self._make_key()]
        self._sign(named, now_s, None, roots, self._roots[1:])

    def replace_all_roots(self, named: Named, now_s: int) -> None:
        """Two versions: an intermediate one, in which an old root vouches for new ones, and one with new ones only."""
        old, new = self._roots, [self._make_key() for _ in range(ROOTS)]
        between = [old[0], *new[:THRESHOLD]]
        self._sign(named, now_s, None, between, [*old[:THRESHOLD], new[0]])
        self._sign(named, now_s, None, new, between)

    def _sign(
        self, named: Named, now_s: int, time_floor: int | None, roots: list[SigningKey], signers: list[SigningKey]
    ) -> None:
        # The holders' own machines know the date; a hub whose clock is wrong gets no older document from them.
        self.issued = max(self.issued, now_s)
        public = [(key.verify_key.jwk(), purpose, state) for key, purpose, state in named]
        keys = [
            TrustKey(jwk=jwk, purpose=purpose, state=state, doors=("",), expires=self.issued + KEY_LIFE_S)
            for jwk, purpose, state in [*public, (self._collect, "collect", "active")]
        ]
        document = Trust(
            version=self.version + 1,
            epoch=self.epoch,
            issued=self.issued,
            expires=self.issued + LIFE_S,
            threshold=THRESHOLD,
            roots=tuple(root.verify_key.jwk() for root in roots),
            keys=tuple(keys),
            authorities=(),
            time_floor=time_floor,
        )
        self._roots = roots
        self.documents.append(trust_step.sign(canonical(document), signers))

    def since(self, version: int) -> bytes:
        """The `trust` message for a door that holds `version`."""
        return trust_step.pack(self.documents[max(0, version - 1) :])
