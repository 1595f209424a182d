"""The injection classifier of the package metatronnanoguard (imports as nanoguard): 16.8 million parameters.

Its weights load as tensors only. Its tokenizer comes pickled and is rebuilt from the data in the pickle. Its attention
sees padding, and it was trained on texts padded to 512 tokens: every window is padded to exactly that, or scores move
by up to 0.995 (measured).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ParseError
from safety_eval.models import batches, device, pickled

PACKAGES = ("metatronnanoguard", "tiktoken", "torch")
_OVERLAP = 128
"""Tokens that two windows share: an attack of two or three sentences is whole in one of them."""
_PIECE = 4096
"""Characters that are encoded at once: a run of letters without end makes byte-pair merging slow."""
_BATCH = {device.CPU: 1, device.CUDA: 64}
"""Windows at once. All have 512 tokens: on a CPU more at once gains nothing, and one keeps scores exact to the bit."""


class InjectionModel:
    """Texts in, probabilities of an injection out."""

    def __init__(self, on: str) -> None:
        """Load from the installed package; ImportError, OSError or ParseError say what is missing."""
        from nanoguard.model import Classifier  # noqa: PLC0415 - imports torch

        folder = _assets()
        self.files = (folder / "model.pt", folder / "tokenizer.pkl")
        self._on = on
        self._model, _, config = Classifier.from_checkpoint(str(self.files[0]), device=on)
        self._model.to(on)
        self._size = int(config.sequence_len)
        self._encoding = encoding(self.files[1].read_bytes())
        self._begin, self._pad = (self._encoding.encode_single_token(f"<|reserved_{n}|>") for n in (0, 1))
        if self._encoding.n_vocab > int(config.vocab_size):
            raise ParseError(f"the tokenizer has {self._encoding.n_vocab} tokens, the model {config.vocab_size}")

    def probabilities(self, texts: Sequence[str]) -> list[float]:
        """The largest probability over each text's windows, 0 to 1."""
        owners: list[int] = []
        rows: list[list[int]] = []
        for owner, text in enumerate(texts):
            for window in self._windows(text):
                owners.append(owner)
                rows.append(window)
        result = [0.0] * len(texts)
        for owner, found in zip(owners, self._judge(rows), strict=True):
            result[owner] = float(np.maximum(result[owner], found))  # unlike max, it keeps what is not a number
        return result

    def _windows(self, text: str) -> list[list[int]]:
        pieces = self._encoding.encode_ordinary_batch(
            [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)], num_threads=1
        )
        ids = [id_ for piece in pieces for id_ in piece]
        return [ids[begin:end] for begin, end in batches.windows(len(ids), self._size - 1, _OVERLAP)]

    def _judge(self, rows: Sequence[Sequence[int]]) -> list[float]:
        step = _BATCH[self._on]
        return [one for at in range(0, len(rows), step) for one in self._forward(rows[at : at + step])]

    def _forward(self, rows: Sequence[Sequence[int]]) -> list[float]:
        import torch  # noqa: PLC0415 - loaded with the model

        ids = torch.full((len(rows), self._size), self._pad, dtype=torch.long)
        mask = torch.zeros((len(rows), self._size), dtype=torch.bool)
        for place, row in enumerate(rows):
            whole = [self._begin, *row]
            ids[place, : len(whole)] = torch.tensor(whole)
            mask[place, : len(whole)] = True
        with torch.inference_mode():
            logits = self._model(ids.to(self._on), mask.to(self._on))
        found: list[float] = torch.softmax(logits.float(), dim=-1)[:, 1].tolist()
        return found


def encoding(data: bytes) -> Any:
    """The tiktoken encoding that a pickle describes, made by the ordinary constructor from checked data."""
    import tiktoken  # noqa: PLC0415 - only a process with models pays

    state = pickled.state_of(data, "tiktoken.core", "Encoding")
    wanted = {"name", "pat_str", "mergeable_ranks", "special_tokens"}
    if set(state) != wanted:
        raise ParseError(f"the pickled tokenizer has {sorted(map(str, state))}, not {sorted(wanted)}")
    texts = all(isinstance(state[name], str) for name in ("name", "pat_str"))
    if not (texts and _maps(state["mergeable_ranks"], bytes) and _maps(state["special_tokens"], str)):
        raise ParseError("the pickled tokenizer's values have other types than an encoding's")
    return tiktoken.Encoding(**state)


def _maps(value: object, keys: type) -> bool:
    return isinstance(value, dict) and all(isinstance(k, keys) and type(v) is int for k, v in value.items())


def _assets() -> Path:
    import nanoguard.assets  # noqa: PLC0415 - the package may be missing

    return Path(str(nanoguard.assets.__file__)).parent
