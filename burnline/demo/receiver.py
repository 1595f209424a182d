"""A place to send alerts to: takes POSTs at any path, keeps them, and shows them to people as a page."""

from __future__ import annotations

import asyncio
import html
import os
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from burnline.demo import child

FILE = "received.jsonl"

_SHOWN = 100
_LARGEST_BODY = 4 * 1024 * 1024
_HEADERS_OF_INTEREST = ("Content-Type", "User-Agent", "Idempotency-Key", "X-Request-Id", "Ce-Type", "Ce-Id")
# Where the receivers of this world put their headline.
_HEADLINES = ("title", "summary", "text", "message", "description", "status")

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --line: #8884; --soft: #8881; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin: 0; }
article { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; margin: .8rem 0; }
small { opacity: .7; } code, pre { font-family: ui-monospace, monospace; font-size: .85rem; }
pre { background: var(--soft); padding: .7rem; border-radius: .4rem; overflow-x: auto; white-space: pre-wrap; }
"""


@dataclass(frozen=True)
class ReceiverSettings:
    """Where the receiver listens (`host:port`) and keeps its file."""

    address: str
    directory: str


class Receiver:
    """Keeps what it gets in a file, and the latest of it in memory."""

    def __init__(self, directory: Path) -> None:
        path = directory / FILE
        self._latest: deque[dict[str, Any]] = deque(_tail(path), maxlen=_SHOWN)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_get("/", self.page)
        app.router.add_get("/received", self.as_json)
        app.router.add_post("/{path:.*}", self.take)
        return app

    async def take(self, request: web.Request) -> web.Response:
        """Keep one notification; a body that is not JSON is kept as text."""
        body = await request.read()
        entry = {
            "time": time.time(),
            "path": request.path_qs,
            "headers": {name: request.headers[name] for name in _HEADERS_OF_INTEREST if name in request.headers},
            "body": _decoded(body),
        }
        os.write(self._file, orjson.dumps(entry) + b"\n")
        self._latest.append(entry)
        return web.json_response({"status": "ok"}, status=202)

    async def as_json(self, request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(list(self._latest)), content_type="application/json")

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(text=render(list(self._latest)), content_type="text/html")


def render(entries: list[dict[str, Any]]) -> str:
    """The page: the latest notification first; it loads itself again every three seconds."""
    articles = "".join(_article(entry) for entry in reversed(entries))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">'
        f"<title>Received: {len(entries)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>What the demo's receiver got</h1>{articles or '<p>Nothing yet. POST to any path of this address.</p>'}"
        "</body></html>"
    )


def headline(body: Any) -> str:
    """The sentence of a notification that tells people most; empty when it has none."""
    if isinstance(body, dict):
        for name in _HEADLINES:
            value = body.get(name)
            if isinstance(value, str) and value.strip():
                return value.strip().splitlines()[0]
        return next((found for value in body.values() if (found := headline(value))), "")
    if isinstance(body, list):
        return next((found for value in body if (found := headline(value))), "")
    return ""


def _article(entry: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(entry["time"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    body = entry["body"]
    text = body if isinstance(body, str) else orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
    headers = " · ".join(f"{name}: {value}" for name, value in entry["headers"].items())
    return (
        f"<article><h2>{html.escape(headline(body) or 'A notification')}</h2>"
        f"<small><code>{html.escape(entry['path'])}</code> · {when} · {html.escape(headers)}</small>"
        f"<pre>{html.escape(text)}</pre></article>"
    )


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def _tail(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().splitlines()[-_SHOWN:]]


async def serve(settings: ReceiverSettings) -> None:
    """Run the receiver until its supervisor ends it."""
    async with child.serving(Receiver(Path(settings.directory)).app(), settings.address):
        await child.until_stopped(child.ignore)


if __name__ == "__main__":
    child.die_with_parent()
    asyncio.run(serve(child.settings_of(ReceiverSettings)))
