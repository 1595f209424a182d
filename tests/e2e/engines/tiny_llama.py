"""Makes a tiny Llama with a tokenizer of its own: `python tiny_llama.py FOLDER`.

Runs with the python of the vLLM environment. The weights are random but seeded, so equal prompts at temperature 0 get
equal answers. Needs no download, and neither torch nor transformers, whose import alone takes ten seconds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
PIECES = 512
WIDTH, INNER_WIDTH, LAYERS, HEADS = 128, 256, 2, 2
WEIGHT_SCALE = 0.02  # the standard deviation that Llama's own initialisation uses

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": PIECES,
    "hidden_size": WIDTH,
    "intermediate_size": INNER_WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "unk_token": UNKNOWN,
    "bos_token": BEGIN,
    "eos_token": END,
    "chat_template": "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: ",
}


def training_lines() -> Iterator[str]:
    """1,000 lines of numbered words: byte-level BPE needs some text to learn its merges from."""
    return (" ".join(f"word{(line * column) % 499}" for column in range(1, 24)) for line in range(1, 1001))


def make_tokenizer() -> Tokenizer:
    """A byte-level BPE; the ids of UNKNOWN, BEGIN and END are 0, 1 and 2, and every byte has a piece of its own."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        special_tokens=[UNKNOWN, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(training_lines(), trainer)
    return bpe


def weight_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every weight of the model by its name in a Llama checkpoint, with its shape (outputs first)."""
    yield "model.embed_tokens.weight", (PIECES, WIDTH)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        for projection in "qkvo":
            yield f"{prefix}.self_attn.{projection}_proj.weight", (WIDTH, WIDTH)
        yield f"{prefix}.mlp.gate_proj.weight", (INNER_WIDTH, WIDTH)
        yield f"{prefix}.mlp.up_proj.weight", (INNER_WIDTH, WIDTH)
        yield f"{prefix}.mlp.down_proj.weight", (WIDTH, INNER_WIDTH)
        yield f"{prefix}.input_layernorm.weight", (WIDTH,)
        yield f"{prefix}.post_attention_layernorm.weight", (WIDTH,)
    yield "model.norm.weight", (WIDTH,)
    yield "lm_head.weight", (PIECES, WIDTH)


def make_weights() -> dict[str, np.ndarray]:
    """Random matrices, and ones for the norms (the only weights of one dimension)."""
    random = np.random.default_rng(0)
    return {
        name: np.ones(shape, np.float32)
        if len(shape) == 1
        else random.normal(0.0, WEIGHT_SCALE, shape).astype(np.float32)
        for name, shape in weight_shapes()
    }


def main(folder: Path) -> None:
    """Write configuration, tokenizer and weights into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
    make_tokenizer().save(str(folder / "tokenizer.json"))
    save_file(make_weights(), folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
