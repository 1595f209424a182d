"""What the demo's prompts and answers are made of."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from burnline.demo import texts


@given(st.integers(0, 2**32), st.integers(90, 800), st.integers(0, 6))
def test_a_prompt_has_the_words_that_were_asked_for_and_gives_its_documents_back(
    seed: int, count: int, documents: int
) -> None:
    rng = Random(seed)
    known = texts.facts(rng, documents)
    prompt = texts.prompt(rng, count, known)
    assert len(prompt.split()) == count
    assert texts.documents_of(prompt) == known


@given(st.integers(0, 2**32), st.integers(1, 300))
def test_an_answer_from_documents_says_nothing_else(seed: int, count: int) -> None:
    rng = Random(seed)
    documents = texts.facts(rng, 6)
    words = {word for text in documents for word in text.split()}
    answer = texts.answer(rng, count, documents).split()
    assert len(answer) == count
    assert set(answer) <= words


def test_an_attack_stands_in_the_prompt() -> None:
    assert "previous instructions" in texts.prompt(Random(1), 120, attack=True)
    assert "previous instructions" not in texts.prompt(Random(1), 120)


def test_an_unsafe_answer_differs_from_a_safe_one_by_a_sentence() -> None:
    leaks = [texts.unsafe_answer(Random(seed), 60) for seed in range(40)]
    assert any("@example.com" in text for text in leaks)
    assert any("555-01" in text for text in leaks)
