"""Writes a llama with random weights and a byte tokenizer for llama.cpp: `python tiny_gguf.py FILE`.

Runs with the python of llama.cpp's environment, which has gguf and numpy.
"""

from __future__ import annotations

import sys

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 32, 1, 2, 64, 1024
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
VOCABULARY = len(SPECIAL) + len(BYTES)


def shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor by name; norms have one dimension."""
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (VOCABULARY, WIDTH),
        "output_norm.weight": (WIDTH,),
        "output.weight": (VOCABULARY, WIDTH),
    }
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        found |= {f"{at}{name}_norm.weight": (WIDTH,) for name in ("attn", "ffn")}
        found |= {f"{at}attn_{name}.weight": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
        found |= {f"{at}ffn_gate.weight": (INNER, WIDTH), f"{at}ffn_up.weight": (INNER, WIDTH)}
        found[f"{at}ffn_down.weight"] = (WIDTH, INNER)
    return found


def write(path: str) -> None:
    """Write the model; the same one every time."""
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(INNER)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(VOCABULARY)
    _add_tokenizer(out)
    random = np.random.default_rng(7)
    for name, shape in shapes().items():
        weights = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.05, shape)
        out.add_tensor(name, weights.astype(np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def _add_tokenizer(out: gguf.GGUFWriter) -> None:
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * len(BYTES)]
    out.add_tokenizer_model("llama")
    out.add_token_list([*SPECIAL, *BYTES])
    out.add_token_scores([0.0] * VOCABULARY)
    out.add_token_types([int(kind) for kind in kinds])
    out.add_unk_token_id(0)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)


if __name__ == "__main__":
    write(sys.argv[1])
