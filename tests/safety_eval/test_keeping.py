"""What stays of a text by policy, written with the verdict and forgotten after its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.texts import HIDDEN
from safety_eval.detectors.port import Detector, Item, Span, Verdict, failed
from safety_eval.detectors.secrets import Secrets
from safety_eval.keeping import Fate, Keeper, replaced
from safety_eval.metrics import EvaluatorMetrics
from safety_eval.settings import EvaluatorSettings
from safety_eval.worker import Tools, Worker
from storage import kept_texts
from storage.database import Database
from storage.kept_texts import KeptText
from tests.safety_eval.world import CIPHER, START, Fails, put, sealed

KEY = b"k" * 32
BLOCK = "-----BEGIN PRIVATE KEY-----\n" + "A1b2C3d4E5" * 12 + "\nmore\n-----END PRIVATE KEY-----\nbye"


class Finds:
    """Finds a word wherever it stands."""

    revision = "r1"

    def __init__(self, name: str, word: str) -> None:
        self.name, self._word = name, word

    def score(self, items: Sequence[Item]) -> list[Verdict]:
        return [self._verdict(item.output or "") for item in items]

    def _verdict(self, text: str) -> Verdict:
        if "unclear" in text:
            return failed("unclear")
        at = text.find(self._word)
        spans = (Span(at, at + len(self._word), self._word.upper()),) if at >= 0 else ()
        return Verdict("flagged" if spans else "clear", 1.0, spans)


BOTH = (Finds("pii", "mail"), Finds("secrets", "token"))


def fate(policy: Any, item: Item, detectors: Sequence[Any] = BOTH, key: bytes = KEY) -> Fate:
    return Keeper(policy, key, detectors).fates([item])[0]


def test_by_default_nothing_stays() -> None:
    assert EvaluatorSettings().keep.policy == "nothing"
    assert fate("nothing", Item("p", "o")) == Fate("dropped")


def test_a_hash_tells_equal_texts_and_needs_the_key() -> None:
    one, same, other = (fate("hash", Item("p", text)) for text in ("o", "o", "x"))
    assert one == same
    assert (one.name, one.prompt) == ("hash", other.prompt)
    assert len({one.output, other.output, one.prompt, fate("hash", Item("p", "o"), key=b"x" * 32).output}) == 4
    assert all(len(text or "") == 64 for text in (one.prompt, one.output))


@pytest.mark.parametrize("policy", ["hash", "redacted"])
@pytest.mark.parametrize("text", [None, "", "  ", HIDDEN, f"a {HIDDEN}"])
def test_what_was_not_told_or_is_hidden_is_not_kept(policy: str, text: str | None) -> None:
    assert fate(policy, Item(text, text)) == Fate("dropped")
    assert fate(policy, Item("p", text)).output is None
    assert fate(policy, Item("p", text)).prompt is not None


def test_findings_are_replaced_in_prompt_and_answer() -> None:
    found = fate("redacted", Item("my mail is here", "a token and a mail"))
    assert found == Fate("redacted", "my <MAIL> is here", "a <TOKEN> and a <MAIL>")


@pytest.mark.parametrize(
    ("item", "detectors"),
    [
        (Item("p", "unclear"), BOTH),
        (Item("unclear", "o"), BOTH),
        (Item("p", "o"), BOTH[:1]),
        (Item("p", "o"), ()),
        (Item("p", "boom"), (Fails(), *BOTH[1:])),
    ],
)
def test_a_text_that_cannot_be_redacted_is_not_kept(item: Item, detectors: Sequence[Any]) -> None:
    assert fate("redacted", item, detectors) == Fate("unredactable")


def test_a_model_that_fails_on_a_text_redacts_nothing() -> None:
    class Broken(Fails):
        name = "pii"

    assert fate("redacted", Item(None, "boom"), (Broken(), BOTH[1])) == Fate("unredactable")


def test_a_private_key_goes_to_its_end_and_without_one_to_the_end_of_the_text() -> None:
    detectors = (Finds("pii", "mail"), Secrets())
    assert fate("redacted", Item(None, f"see {BLOCK}"), detectors).output == "see <PRIVATE_KEY>\nbye"
    assert fate("redacted", Item(None, BLOCK.partition("-----END")[0]), detectors).output == "<PRIVATE_KEY>"


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(1, 10)), max_size=6))
def test_of_findings_no_character_stays_and_every_other_does(places: list[tuple[int, int]]) -> None:
    text = "".join(chr(0x1000 + at) for at in range(30))  # every character once
    spans = [Span(start, min(30, start + length), "T") for start, length in places]
    covered = {at for span in spans for at in range(span.start, span.end)}
    result = replaced(text, spans)
    assert result.replace("<T>", "") == "".join(one for at, one in enumerate(text) if at not in covered)
    assert ("<T>" in result) == bool(spans)


# With the verdict.


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START + 10)


def keeping(
    db: Database, clock: ManualClock, policy: str, detectors: Sequence[Any] = BOTH, holder: str = "one"
) -> Worker:
    tools = Tools(db, CIPHER, clock, EvaluatorMetrics())
    settings = EvaluatorSettings.model_validate({"keep": {"policy": policy, "retention": 100}})
    return Worker(tools, settings, detectors, holder, 2000)


def fates(one: Worker) -> dict[str, float]:
    (family,) = one._tools.metrics.texts.collect()
    return {sample.labels["fate"]: sample.value for sample in family.samples if sample.name.endswith("_total")}


def kept(db: Database, n: int) -> list[KeptText]:
    return kept_texts.of_trace(db, f"{n:032x}")


def test_a_redacted_text_is_stored_with_its_verdicts_and_gone_after_its_time(
    database: Database, clock: ManualClock
) -> None:
    put(database, sealed(1, "a mail"), sealed(2, None), sealed(3, "unclear"))
    one = keeping(database, clock, "redacted")
    judged = one.judge(one.lease())
    assert kept(database, 1) == [], "nothing before the verdict"
    one.commit(judged)
    ids = f"{1:032x}", f"{1:016x}"
    assert kept(database, 1) == [KeptText(*ids, START, START + 10, "redacted", "a prompt", "a <MAIL>")]
    assert kept(database, 2) == kept(database, 3) == []
    assert fates(one) == {"redacted": 1, "unredactable": 1}
    clock.advance(100)
    assert one.forget() == 0
    clock.advance(1)
    assert one.forget() == 1
    assert kept(database, 1) == []


@pytest.mark.parametrize(("policy", "stays"), [("nothing", 0), ("hash", 1)])
def test_no_raw_text_is_stored_by_the_other_policies(
    database: Database, clock: ManualClock, policy: str, stays: int
) -> None:
    put(database, sealed(1, "a mail"))
    one = keeping(database, clock, policy)
    one.commit(one.judge(one.lease()))
    assert len(kept(database, 1)) == stays
    assert "mail" not in repr(kept(database, 1))
    assert fates(one) == {"hash": 1} if stays else {"dropped": 1}


def test_a_sample_that_another_evaluator_took_leaves_nothing(database: Database, clock: ManualClock) -> None:
    put(database, sealed(1, "a mail"))
    first, second = keeping(database, clock, "hash"), keeping(database, clock, "nothing", holder="two")
    late = first.judge(first.lease())
    clock.advance(61)
    second.commit(second.judge(second.lease()))
    first.commit(late)
    assert (kept(database, 1), fates(first), fates(second)) == ([], {}, {"dropped": 1})


def test_what_expired_or_did_not_open_is_counted(database: Database, clock: ManualClock) -> None:
    spoilt = sealed(2, "a mail", ttl=5000)
    put(database, sealed(1, "a mail", ttl=5), replace(spoilt, text=b"\x01" + bytes(40)))
    one = keeping(database, clock, "hash")
    one.commit(one.write_off(one.take_expired()))
    one.commit(one.judge(one.lease()))
    assert fates(one) == {"expired": 1, "unread": 1}
    assert kept(database, 1) == kept(database, 2) == []


def test_a_real_address_is_taken_out(database: Database, clock: ManualClock, pii: Detector) -> None:
    put(database, sealed(1, "Write to jane.sample@example.com or call 212-555-0147 today."))
    one = keeping(database, clock, "redacted", (pii, Secrets()))
    one.commit(one.judge(one.lease()))
    (text,) = kept(database, 1)
    assert text.output == "Write to <EMAIL_ADDRESS> or call <PHONE_NUMBER> today."
