from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety_eval.detectors.pii import Pii
from safety_eval.detectors.port import Detector, Item
from safety_eval.settings import PiiSettings


def types_of(pii: Detector, text: str) -> set[str]:
    verdict = pii.score([Item(None, text)])[0]
    assert (verdict.label == "flagged") == bool(verdict.spans)
    return {span.type for span in verdict.spans}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to jane.doe@example.org today.", "EMAIL_ADDRESS"),
        ("Call 212-555-0199 after noon.", "PHONE_NUMBER"),
        ("Her card is 5555 5555 5555 4444.", "CREDIT_CARD"),
        ("Pay to DE89 3704 0044 0532 0130 00.", "IBAN_CODE"),
        ("My social security number is 536-90-4399.", "US_SSN"),
        ("The server is at 192.168.17.4 now.", "IP_ADDRESS"),
    ],
)
def test_each_type_flags_with_its_place(pii: Detector, text: str, kind: str) -> None:
    verdict = pii.score([Item(None, text)])[0]
    assert kind in {span.type for span in verdict.spans}
    assert all(text[span.start : span.end].strip() for span in verdict.spans)


@pytest.mark.parametrize(
    "text",
    [
        "Barack Obama lived in Chicago.",
        "In 2009 the total was 12,345.67 euros.",
        "Card 5555 5555 5555 4445 fails.",
        "IBAN DE88 3704 0044 0532 0130 00",
        "mail me at bob@localhost.invalidtld",
    ],
)
def test_names_and_wrong_check_digits_do_not_flag(pii: Detector, text: str) -> None:
    assert types_of(pii, text) & {"CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "PERSON"} == set()


def luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + n % 2) for n, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


@given(st.text("0123456789", min_size=15, max_size=15))
@settings(max_examples=25, deadline=None)
def test_of_ten_last_digits_one_makes_a_card(pii: Detector, body: str) -> None:
    cards = [f"4{body[1:]}{last}" for last in range(10)]
    found = [card for card in cards if "CREDIT_CARD" in types_of(pii, f"number {card} here")]
    assert found == [card for card in cards if luhn(card)]
    assert len(found) == 1


@given(st.text("0123456789", min_size=18, max_size=18))
@settings(max_examples=25, deadline=None)
def test_an_account_number_needs_its_remainder(pii: Detector, account: str) -> None:
    rest = int(f"{account}131400") % 97
    check = f"{98 - rest:02d}"
    wrong = f"{(98 - rest + 1) % 97 + 2:02d}"
    assert "IBAN_CODE" in types_of(pii, f"to DE{check}{account} now")
    if int(f"{account}1314{wrong}") % 97 != 1:
        assert "IBAN_CODE" not in types_of(pii, f"to DE{wrong}{account} now")


def test_what_stands_far_inside_a_long_text_is_found_once_at_its_place(pii: Detector) -> None:
    text = "All is well. " * 700 + "Write to jane@example.org. " + "All is well. " * 300
    verdict = pii.score([Item(None, text)])[0]
    assert [text[one.start : one.end] for one in verdict.spans] == ["jane@example.org"]


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert types_of(Pii(PiiSettings()), "jane@example.co.uk") == {"EMAIL_ADDRESS"}


def test_names_flag_where_they_are_asked_for_and_settings_change_the_revision(pii: Detector) -> None:
    people = Pii(PiiSettings(types=("PERSON",)))
    assert types_of(people, "Barack Obama lived in Chicago.") == {"PERSON"}
    revisions = {pii.revision, people.revision, Pii(PiiSettings(threshold=0.7)).revision}
    assert len(revisions) == 3


def test_what_spacy_learns_is_given_back(pii: Detector) -> None:
    assert isinstance(pii, Pii)
    pii.score([Item(None, "warm up")])
    before = len(pii._language.vocab.strings)
    pii.score([Item(None, " ".join(f"unheardof{n}" for n in range(500)))])
    assert len(pii._language.vocab.strings) == before
