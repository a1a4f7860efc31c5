"""Every size limit on what crosses a boundary, in one place."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Units are in the names. The list limits keep a Pi with 512 MB safe; the QR limit is the longest text that
    is looked at before it counts as foreign."""

    list_grants: int = 5_000
    list_payload_bytes: int = 2 << 20
    envelope_bytes: int = 4 << 20
    windows_per_grant: int = 512
    closures: int = 1_000
    pass_keys: int = 32
    qr_text_bytes: int = 256
    socket_line_bytes: int = 64 << 10
    sync_line_bytes: int = 6 << 20
    receipt_bytes: int = 4 << 10
    batch_records: int = 200
    batch_bytes: int = 1 << 20
    sealed_batch_bytes: int = 3 << 19
    pin_kdf_memory_kib: int = 64 << 10
    pin_kdf_iterations: int = 10
    event_bytes: int = 8 << 10


LIMITS = Limits()
