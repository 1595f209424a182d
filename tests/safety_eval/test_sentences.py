from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_eval.sentences import novel_share, split, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Who met Mr. Smith. They left.", ["Dr. Who met Mr. Smith.", "They left."]),
        ("It costs 3.50 euros. Cheap.", ["It costs 3.50 euros.", "Cheap."]),
        ("- first\n- second\n\n", ["- first", "- second"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("...", []),
        ("", []),
    ],
)
def test_texts_are_cut_where_people_would(text: str, expected: list[str]) -> None:
    assert [one.text for one in split(text)] == expected


@given(st.text(alphabet="aB1.!? \n\"')(é漢", max_size=300))
def test_places_are_those_of_the_text_and_no_word_is_lost(text: str) -> None:
    found = split(text)
    assert all(text[one.start : one.end] == one.text for one in found)
    assert "".join(c for one in found for c in one.text if c.isalnum()) == "".join(c for c in text if c.isalnum())
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))


def test_a_sentence_without_end_is_cut() -> None:
    for text in ("word " * 1000, "x" * 5000):
        found = split(text)
        assert max(len(one.text) for one in found) <= 800
        assert sum(len(one.text.replace(" ", "")) for one in found) == len(text.replace(" ", ""))


def test_novel_words_are_those_that_the_context_lacks() -> None:
    known = words("The bridge opened in 1932.")
    assert novel_share("The bridge opened in 1932.", known) == 0
    assert novel_share("The bridge closed in 1999.", known) == 2 / 3
    assert novel_share("It is the", known) == 0
