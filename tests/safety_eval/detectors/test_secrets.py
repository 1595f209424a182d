from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_eval.detectors.checksums import BASE62, crc_base62, has_crc
from safety_eval.detectors.port import HIDDEN, Item
from safety_eval.detectors.secrets import Secrets, find

LETTERS = st.text(BASE62, min_size=30, max_size=30)
PART = "Zq7Kx2Vb9Lw4Rt6Yc8Nm3Pd5"


def github(payload: str, prefix: str = "ghp_") -> str:
    return prefix + payload + crc_base62(payload)


@given(LETTERS, st.sampled_from(["ghp_", "gho_", "ghs_", "npm_"]))
def test_a_token_with_its_checksum_is_found_and_with_another_it_is_not(payload: str, prefix: str) -> None:
    token = github(payload, prefix)
    assert [(one.start, one.end) for one in find(f"use {token}, please")] == [(4, 4 + len(token))]
    wrong = token[:-1] + BASE62[(BASE62.index(token[-1]) + 1) % 62]
    assert list(find(wrong)) == []


@given(LETTERS, st.integers(0, 29), st.integers(1, 61))
def test_the_checksum_sees_every_change_of_one_character(payload: str, place: int, shift: int) -> None:
    token = github(payload)
    other = BASE62[(BASE62.index(payload[place]) + shift) % 62]
    assert has_crc(token)
    assert not has_crc(token[: 4 + place] + other + token[5 + place :])


@given(st.text(BASE62, max_size=40))
def test_six_digits_hold_every_checksum(payload: str) -> None:
    value = 0
    for digit in crc_base62(payload):
        value = value * 62 + BASE62.index(digit)
    assert value == zlib.crc32(payload.encode())


def jwt(header: dict[str, object]) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part(header)}.{part({'sub': '1234567890'})}.{PART}"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIA" + "Z7QX2MPLRT5VWN3K"),
        ("GITHUB_FINE_GRAINED_TOKEN", "github_pat_" + PART[:22] + "_" + (PART * 3)[:59]),
        ("GITLAB_TOKEN", "glpat-" + PART[:20]),
        ("SLACK_TOKEN", "xoxb-" + "123456789012-" + PART),
        ("STRIPE_KEY", "sk_" + "live_" + PART),
        ("GOOGLE_API_KEY", "AIza" + (PART * 2)[:35]),
        ("OPENAI_KEY", "sk-proj-" + PART + "T3BlbkFJ" + PART),
        ("ANTHROPIC_KEY", "sk-ant-" + "api03-" + (PART * 4)[:95]),
        ("HUGGING_FACE_TOKEN", "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"),
        ("PYPI_TOKEN", "pypi-" + "AgEIcHlwaS5vcmc" + PART * 3),
        ("SENDGRID_KEY", "SG." + PART[:22] + "." + (PART * 2)[:43]),
        ("JWT", jwt({"alg": "HS256", "typ": "JWT"})),
        ("PRIVATE_KEY", "-----BEGIN " + "RSA PRIVATE KEY-----\n" + PART * 3),
        ("PRIVATE_KEY", "-----BEGIN " + "EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" + PART * 3),
    ],
)
def test_each_kind_is_found_alone_and_not_inside_a_longer_word(kind: str, text: str) -> None:
    assert [one.type for one in find(f"key={text}\n")] == [kind]
    assert kind == "PRIVATE_KEY" or list(find(f"x{text}")) == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",  # the one in AWS's documentation
        "ghp_" + "x" * 36,
        "sk_live_" + "x" * 24,
        jwt({"typ": "JWT"}),
        "eyJhbGciOiJ.eyJzdWIiOiI.c2lnbmF0dXJlc2lnbmF0dXJl",
        "A key begins with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    ],
)
def test_examples_and_lookalikes_do_not_flag(text: str) -> None:
    assert list(find(text)) == []


def test_verdicts() -> None:
    found = Secrets().score([Item(None, github("a1B2c3D4e5" * 3)), Item(None, "no"), Item("p", ""), Item("p", HIDDEN)])
    assert [(one.label, one.score) for one in found] == [
        ("flagged", 1.0),
        ("clear", 0.0),
        ("not_applicable", None),
        ("not_applicable", None),
    ]
    assert found[0].spans[0]._asdict() == {"start": 0, "end": 40, "type": "GITHUB_TOKEN"}
