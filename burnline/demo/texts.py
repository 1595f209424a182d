"""Prompts and completions: a word is a token. Personal data in them is made up and belongs to nobody."""

from __future__ import annotations

from random import Random

_VOCABULARY = """
    a the of to and in that is for on with as by from at which can more when then each one two both all any some
    server model request answer token region version budget window query cache batch latency traffic release team
    measure report deploy compare explain list write read start stop grow fall wait send count check change keep
"""
_WORDS = _VOCABULARY.split()

_NAMES = ("Jane Sample", "Max Beispiel", "Erika Mustermann", "John Placeholder")
_INSULTS = (
    "Honestly, you are an idiot and nobody likes you.",
    "What a stupid question, you worthless fool.",
    "Shut up, you pathetic moron.",
)


def words(rng: Random, count: int) -> str:
    """Text of `count` words."""
    return " ".join(rng.choices(_WORDS, k=count))


def unsafe_words(rng: Random, count: int) -> str:
    """Text of about `count` words that leaks made-up personal data or insults the reader."""
    sentence = rng.choice(_INSULTS) if rng.random() < 0.5 else _personal_data(rng)
    kept = max(0, count - len(sentence.split()))
    return f"{words(rng, kept // 2)} {sentence} {words(rng, kept - kept // 2)}".strip()


def _personal_data(rng: Random) -> str:
    """Numbers from ranges that are never given out: 555-01xx, social security 9xx, a test card, example.com."""
    name = rng.choice(_NAMES)
    return rng.choice(
        (
            f"Write to {name} at {name.lower().replace(' ', '.')}@example.com today.",
            f"Call {name} at +1 202-555-01{rng.randrange(100):02d} after work.",
            f"The card of {name} is 4111 1111 1111 1111 and still valid.",
            f"{name} has the social security number 9{rng.randrange(100):02d}-45-{rng.randrange(10000):04d} on file.",
        )
    )
