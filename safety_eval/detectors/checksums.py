"""The checksum by which a credential is told from text that looks like one."""

from __future__ import annotations

import zlib

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECK = 6
"""Characters at the end of a GitHub or npm token that are its checksum."""


def crc_base62(payload: str) -> str:
    """CRC-32 of a payload in base 62, padded to six digits: how GitHub and npm end their tokens."""
    value = zlib.crc32(payload.encode())
    digits = ""
    for _ in range(CHECK):
        value, digit = divmod(value, 62)
        digits = BASE62[digit] + digits
    return digits


def has_crc(token: str) -> bool:
    """Whether what follows a token's prefix (`ghp_`) ends with the checksum of the rest."""
    body = token.partition("_")[2]
    return crc_base62(body[:-CHECK]) == body[-CHECK:]
