from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from burnline.demo.child import serving
from burnline.demo.receiver import FILE, Receiver, headline, render


def with_receiver(directory, play) -> None:
    async def run() -> None:
        address = f"127.0.0.1:{unused_port()}"
        async with serving(Receiver(directory).app(), address), aiohttp.ClientSession(f"http://{address}") as session:
            await play(session)

    asyncio.run(run())


def test_a_notification_is_kept_in_the_file_and_shown(tmp_path):
    async def play(session: aiohttp.ClientSession) -> None:
        headers = {"Idempotency-Key": "k1", "Authorization": "Bearer secret"}
        async with session.post("/hooks/a?b=1", json={"text": "Budget burns"}, headers=headers) as response:
            assert response.status == 202
        async with session.get("/received") as response:
            [shown] = await response.json()
        assert (shown["path"], shown["body"]) == ("/hooks/a?b=1", {"text": "Budget burns"})
        async with session.get("/") as response:
            assert "<h2>Budget burns</h2>" in await response.text()

    with_receiver(tmp_path, play)
    [line] = (tmp_path / FILE).read_text().splitlines()
    kept = json.loads(line)
    assert kept["headers"]["Idempotency-Key"] == "k1"
    assert "secret" not in line


def test_what_came_before_a_restart_is_still_shown(tmp_path):
    async def send(session: aiohttp.ClientSession) -> None:
        await session.post("/x", data=b"plain words")

    async def look(session: aiohttp.ClientSession) -> None:
        async with session.get("/received") as response:
            assert [entry["body"] for entry in await response.json()] == ["plain words"]

    with_receiver(tmp_path, send)
    with_receiver(tmp_path, look)


def test_what_a_notification_says_cannot_become_markup():
    entry = {"time": 0, "path": "/<i>", "headers": {}, "body": {"text": "<script>alert(1)</script>"}}
    page = render([entry])
    assert "<script>" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;" in page


def test_an_empty_receiver_says_how_to_fill_it():
    assert "Nothing yet" in render([])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"payload": {"summary": "page\nme"}}, "page"),
        ({"attachments": [{"color": "red"}, {"title": "Burn"}]}, "Burn"),
        ({"text": "  "}, ""),
        ([1, 2], ""),
        ("words", ""),
    ],
)
def test_the_headline_is_found_where_receivers_put_it(body, expected):
    assert headline(body) == expected
