"""The same pages scraped by a real Prometheus: its verdict and its values are ours.

The one that is tested against is 2.42. Pages on which 3.x differs (quoted names, a trailing comma on OpenMetrics,
exemplars on samples other than `_total` and `_bucket`) are left out and tested by themselves.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from collector.exposition import PageReader
from core.errors import PageRejected

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
START_LIMIT_S = 20

TEXT_PAGES = [
    *(
        b"",
        b"\n",
        b" \n\t\n",
        b"a 1",
        b"a 1\nb 2",
        b"a 1\nb",
        b"a\t1\n",
        b"a 1 \t\n",
        b"  a 1\n",
        b"a 1\r\n",
        b"a\n1\n",
    ),
    *(b"a nan\n", b"a -nan\n", b"a +nan\n", b"a infinity\n", b"a -Inf\n", b"a 1e999\n", b"a 1e-999\n", b"a 1.\n"),
    *(
        b"a .5\n",
        b"a 1.5e+011\n",
        b"a 1_0\n",
        b"a 0x10\n",
        b"a 0x1p-3\n",
        b"a 1x\n",
        b"a 1 # x\n",
        b"a 1 {}\n",
        b"a 007\n",
    ),
    *(b'a{x="1",y="2",} 1\n', b'a { x = "1" y="2" } 1\n', b'a{x="1"y="2"}1\n', b"a{} 1\n", b"a{,} 1\n"),
    *(b'a{x="1",,y="2"} 1\n', b'a{x="1"}{y="2"} 1\n', b'a{x:y="1"} 1\n', b"a{x='1'} 1\n", b'a{\nx="1"} 1\n'),
    *(b'a{x="1\n2"} 1\n', b'a{x="1\\\n2"} 1\n', b'a{x="\\x\\n\\\\n\\""} 1\n', b'a{x="\xff"} 1\n', b'a{x="1\0"} 1\n'),
    *(b'a{x="1",x="2"} 1\n', b'a{x="",x="2",y="3"} 1\n', b'a{x=""} 1\n', b'a{__name__="b"} 1\n', b'a{__name__=""} 1\n'),
    *(b"a 1\na 2\n", b'a{x="1",y="2"} 1\na{y="2",x="1"} 2\n', b"a 1 123\n", b"a 1 -123\n", b"a 1 1.5\n", b"a 1 123 \n"),
    *(b"a 1 9223372036854775807\n", b"a 1 9223372036854775808\n", b"# TYPE a counter\n# TYPE a gauge\na 1\n"),
    *(
        b"# TYPE a counter \na 1\n",
        b"# TYPE a  counter\na 1\n",
        b"# TYPE a\na 1\n",
        b"# TYPE \na 1\n",
        b"# HELP\na 1\n",
    ),
    *(
        b"# HELP \na 1\n",
        b"# HELP a\na 1\n",
        b"# TYPE a unknown\na 1\n",
        b"# TYPE a untyped\na 1\n",
        b"#TYPE a z\na 1\n",
    ),
    *(
        b"  # TYPE a z\na 1\n",
        b"# HELP a \xff\na 1\n",
        b"# any \xff\na 1\n",
        b"# TYPE a=counter\na 1\n",
        b"# EOF\na 1\n",
    ),
    *(b"a 1\n\0b 2\n", b"a 1\n#x\0\nc 1\n", b"a 1\n# x\0\nc 1\n", b"# HELP b x\0y\nc 1\n", b"# HELP b\0y\nc 1\n"),
    b'# TYPE h histogram\nh_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1.25\nh_count 2\nh_bucket{le="1e1"} 7\n',
    b"# TYPE llamacpp:n_busy_slots_per_decode counter\nllamacpp:n_busy_slots_per_decode -nan\n",
]
OPENMETRICS_PAGES = [
    *(
        b"",
        b"# EOF",
        b"# EOF\n",
        b"a 1\n# EOF\n",
        b"a 1\n",
        b"a 1",
        b"a 1\n# EOF\n\n",
        b"# EOFx\n",
        b"# EOF\na 1\n# EOF\n",
    ),
    *(b"\n# EOF\n", b"# note\n# EOF\n", b" a 1\n# EOF\n", b"a  1\n# EOF\n", b"a\t1\n# EOF\n", b"a 1 \n# EOF\n"),
    *(b'a{x="1",y="2"} 1\n# EOF\n', b'a{ x="1"} 1\n# EOF\n', b'a{x="1"y="2"} 1\n# EOF\n', b'a{x="1\n2"} 1\n# EOF\n'),
    *(b"a 1 1.5\n# EOF\n", b"a 1 nan\n# EOF\n", b"a 1 1e300\n# EOF\n", b"a 1 2 3\n# EOF\n", b"a -nan\n# EOF\n"),
    *(b'a_total 1 # {x="1"} 1\n# EOF\n', b'a_total 1 # {x="1",y="2"} 1 1.5\n# EOF\n', b"a_total 1 # {} nan\n# EOF\n"),
    *(b'a_total 1 # {x="1"}\n# EOF\n', b'a_total 1 # {x="1"} 1 nan\n# EOF\n', b'a_total 1 # {x="\xff"} 1\n# EOF\n'),
    *(b'a_total 1\n # {x="1"} 1\n# EOF\n', b'a_total 1 # {x="1" 1\n# EOF\n', b"a_total 1 #\n# EOF\n"),
    *(b"# HELP a\n# EOF\n", b"# HELP a \n# EOF\n", b"# HELP a \xff\n# EOF\n", b"# TYPE a untyped\n# EOF\n"),
    *(b"# TYPE a unknown\n# EOF\n", b"# TYPE a counter\r\n# EOF\n", b"# UNIT a_s s\n# EOF\n", b"# UNIT a s\n# EOF\n"),
    *(b"# TYPE a counter\na_total -1\na_total 2\nb_total NaN\n# HELP a x\n# EOF\n", b'a{x="1",x="2"} 1\n# EOF\n'),
]
PAGES = [(TEXT, body) for body in TEXT_PAGES] + [(OPENMETRICS, body) for body in OPENMETRICS_PAGES]

Values = dict[tuple[tuple[str, str], ...], str]


class Scrape(NamedTuple):
    """What came of one page; `samples` counts them before repeats are dropped; values leave out timed samples."""

    up: bool
    samples: int
    values: Values


class _Pages(ThreadingHTTPServer):
    request_queue_size = 256  # a scrape of all targets in one second overruns the default backlog of 5


class _OnePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content_type, body = PAGES[int(self.path.removeprefix("/"))]
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def served_pages() -> Iterator[int]:
    server = _Pages(("127.0.0.1", 0), _OnePage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def prometheus(folder: Path, page_port: int) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes every page each second; gives a client of its API."""
    groups = [
        {"targets": [f"127.0.0.1:{page_port}"], "labels": {"__metrics_path__": f"/{page}", "page_number": str(page)}}
        for page in range(len(PAGES))
    ]
    job = {"job_name": "pages", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": groups}
    config = folder / "prometheus.json"
    config.write_text(json.dumps({"scrape_configs": [job]}))
    port = free_port()
    command = [
        *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=error"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client:
                yield client
        finally:
            process.terminate()


def wait_until_scraped(client: httpx.Client) -> None:
    """Until every target has had an answer; on a busy machine a scrape may have to be tried again."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        try:
            targets = client.get("/targets").json()["data"]["activeTargets"]
        except (httpx.TransportError, ValueError):
            targets = []
        answered = [t for t in targets if t["health"] != "unknown" and not t["lastError"].startswith('Get "')]
        if len(answered) == len(PAGES):
            return
        time.sleep(0.2)
    pytest.fail("Prometheus did not scrape all pages in time")


def query(client: httpx.Client, expression: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = client.get("/query", params={"query": expression}).json()["data"]["result"]
    return result


def scraped_by_prometheus(client: httpx.Client) -> list[Scrape]:
    up = {one["metric"]["page_number"]: one["value"][1] == "1" for one in query(client, "max_over_time(up[1m])")}
    counts = query(client, "max_over_time(scrape_samples_scraped[1m])")
    samples = {one["metric"]["page_number"]: int(one["value"][1]) for one in counts}
    values: dict[str, Values] = {number: {} for number in up}
    for one in query(client, '{page_number!="", __name__!~"up|scrape_.+"}'):
        labels = one["metric"]
        number = labels.pop("page_number")
        values[number][own_labels(labels)] = one["value"][1]
    numbers = [str(number) for number in range(len(PAGES))]
    return [Scrape(up[number], samples[number], values[number]) for number in numbers]


def own_labels(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in labels.items() if name not in ("instance", "job")))


def read_by_us(content_type: str, body: bytes) -> Scrape:
    try:
        reading = PageReader().read(body, content_type)
    except PageRejected:
        return Scrape(up=False, samples=0, values={})
    stamps = reading.timestamps or [None] * len(reading.series)
    values = {
        tuple(sorted([("__name__", series.name), *series.labels])): as_prometheus_prints(value)
        for series, value, stamp in zip(reading.series, reading.values, stamps, strict=True)
        if stamp is None
    }
    return Scrape(True, len(reading.series) + reading.duplicates, values)


def as_prometheus_prints(value: float) -> str:
    special = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
    return special.get(repr(value)) or (str(int(value)) if value == int(value) else repr(value))


@pytest.mark.server("prometheus")
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus program on the path")
def test_prometheus_accepts_refuses_and_stores_as_we_do(tmp_path: Path) -> None:
    with served_pages() as port, prometheus(tmp_path, port) as client:
        wait_until_scraped(client)
        theirs = scraped_by_prometheus(client)
    for (content_type, body), scrape in zip(PAGES, theirs, strict=True):
        ours = read_by_us(content_type, body)
        assert ours.up == scrape.up, body
        if ours.up:
            assert ours == scrape, body
    assert sum(scrape.up for scrape in theirs) > len(PAGES) // 3
