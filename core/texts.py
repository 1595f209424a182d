"""The cipher of texts that wait to be scored: zstandard, then AES-256-GCM bound to the generation's ids.

The collector seals, the evaluator opens; both read one key file. A sealed text is: version byte, 12 bytes of nonce,
ciphertext with its tag. No error here carries a text.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile

import orjson
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import ConfigError, ParseError, Place

HIDDEN = "__REDACTED__"
"""What OpenInference writes instead of content that the application hides: nothing that could be judged."""

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"
_MOST_BYTES = 64 * 2**20
"""A text never opens to more than this: OTLP's recommended limit of a whole request."""


@dataclass(frozen=True)
class Payload:
    """What one generation was asked and answered; what was not told is None. `context`: retrieved documents."""

    prompt: str | None = None
    output: str | None = None
    context: Sequence[str] = ()
    system: str | None = None

    def encode(self) -> bytes:
        """As JSON."""
        return orjson.dumps(
            {"prompt": self.prompt, "output": self.output, "context": list(self.context), "system": self.system}
        )


class TextCipher:
    """Seals and opens texts with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._aead = AESGCM(key)

    @classmethod
    def from_file(cls, path: Path) -> TextCipher:
        """The cipher of a key file, made where it is missing (mode 0600); ConfigError where it cannot be used."""
        try:
            key = path.read_bytes() if path.exists() else _make(path)
        except OSError as error:
            raise ConfigError(f"the key of texts cannot be used: {error.strerror}", Place(str(path), 0)) from error
        if len(key) != _KEY_BYTES:
            raise ConfigError(f"a key has {_KEY_BYTES} bytes, this file {len(key)}", Place(str(path), 0))
        return cls(key)

    def derive(self, purpose: str) -> bytes:
        """A key for another purpose, from which this one cannot be found."""
        return blake2b(purpose.encode(), key=self._key, digest_size=_KEY_BYTES).digest()

    def seal(self, ids: tuple[str, str], payload: Payload) -> bytes:
        """The sealed text of the generation (trace id, span id)."""
        nonce = os.urandom(_NONCE_BYTES)
        packed = zstandard.ZstdCompressor(level=3).compress(payload.encode())
        return _VERSION + nonce + self._aead.encrypt(nonce, packed, _bound_to(ids))

    def open(self, ids: tuple[str, str], blob: bytes) -> Payload:
        """The text of a generation; ParseError where it was sealed with another key or for another generation."""
        if blob[:1] != _VERSION:
            raise ParseError(f"the text of span {ids[1]} was sealed in a way that this version does not know")
        at = len(_VERSION) + _NONCE_BYTES
        try:
            packed = self._aead.decrypt(blob[len(_VERSION) : at], blob[at:], _bound_to(ids))
            document = orjson.loads(zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MOST_BYTES))
        except (InvalidTag, ValueError, zstandard.ZstdError):
            problem = f"the text of span {ids[1]} does not open: another key, or it was changed"
            raise ParseError(problem) from None  # a decoding error would carry the text
        return Payload(document["prompt"], document["output"], tuple(document["context"]), document["system"])


def _bound_to(ids: tuple[str, str]) -> bytes:
    return f"{ids[0]}/{ids[1]}".encode()


def _make(path: Path) -> bytes:
    """Write a new key whole, or take the one that another process has just made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=path.name) as draft:  # made exclusively, with mode 0600
        draft.write(os.urandom(_KEY_BYTES))
        draft.flush()
        os.fsync(draft.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft.name)  # the name appears with its content, and replaces nothing
    return path.read_bytes()
