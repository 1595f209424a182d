"""The product's own collector at a real TorchServe: failures and arrivals as the test sent them, over a restart."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage import plan
from storage.plan import SelectorMeasure
from tests.e2e.engines import counted
from tests.e2e.engines.collecting import Collector
from tests.e2e.engines.process import EngineProcess, folder_of
from tests.e2e.engines.vllm_server import free_port

pytestmark = [pytest.mark.server("torchserve"), pytest.mark.timeout(240)]

HANDLER = Path(__file__).with_name("echo_handler.py")
MANIFEST = {
    "runtime": "python",
    "model": {"modelName": "echo", "handler": "echo_handler.py:handle", "modelVersion": "1.0"},
}
ARRIVALS = SelectorMeasure(selector="ts_inference_requests_total", by=("model_name",))


class TorchServe(EngineProcess):
    """One TorchServe with the echo model and one worker."""

    def __init__(self, venv: Path, folder: Path) -> None:
        self.ports = {name: free_port() for name in ("inference", "management", "metrics")}
        _write_model(folder)
        (folder / "config.properties").write_text(self._config())
        environment = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
        command = [*(str(venv / "bin" / "torchserve"), "--foreground", "--ncs"), *("--models", "echo.mar")]
        command += ["--model-store", str(folder), "--ts-config", str(folder / "config.properties")]
        super().__init__(command, folder, self._has_worker, environment=environment, ready_seconds=90.0)

    def stop(self) -> None:
        """Also forget the process id that TorchServe leaves behind: it would refuse to start."""
        super().stop()
        (self._folder / ".model_server.pid").unlink(missing_ok=True)

    def url(self, port: str) -> str:
        """The address of one of its three ports."""
        return f"http://127.0.0.1:{self.ports[port]}"

    def predict(self, text: str, model: str = "echo") -> int:
        """One prediction's status."""
        headers = {"Content-Type": "text/plain"}
        return self.http.post(f"{self.url('inference')}/predictions/{model}", content=text, headers=headers).status_code

    def _config(self) -> str:
        lines = [f"{name}_address={self.url(name)}" for name in self.ports]
        lines += ["metrics_mode=prometheus", "disable_token_authorization=true", "default_workers_per_model=1"]
        return "\n".join([*lines, "number_of_netty_threads=1", ""])

    def _has_worker(self, http: httpx.Client) -> bool:
        answer = http.get(f"{self.url('management')}/models/echo")
        return answer.status_code == 200 and answer.json()[0]["workers"][0]["status"] == "READY"


def _write_model(folder: Path) -> None:
    with zipfile.ZipFile(folder / "echo.mar", "w") as archive:
        archive.write(HANDLER, HANDLER.name)
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(MANIFEST))


@pytest.fixture
def torchserve(tmp_path: Path) -> Iterator[TorchServe]:
    venv, reason = folder_of("BURNLINE_TORCHSERVE_VENV", "torchserve", "bin/torchserve")
    if reason is None and shutil.which("java") is None:
        reason = "TorchServe needs java, which is not installed here"
    if reason:
        pytest.skip(reason)
    folder = tmp_path / "torchserve"
    folder.mkdir()
    with TorchServe(venv, folder) as server:
        yield server


def send(server: TorchServe, good: int, failing: int, unknown: int) -> None:
    assert [server.predict(f"word{n}") for n in range(good)] == [200] * good
    assert [server.predict("fail") for _ in range(failing)] == [503] * failing
    assert [server.predict("word", "nobody") for _ in range(unknown)] == [404] * unknown


def test_the_ledger_has_every_failure_and_every_arrival_over_a_restart(torchserve: TorchServe, tmp_path: Path) -> None:
    assert torchserve.predict("before") == 200  # a baseline
    collector = Collector(tmp_path, {"torchserve": torchserve.url("metrics").removeprefix("http://")})
    with collector.database.write() as connection:
        plan.put(connection, [ARRIVALS], time.time())
    with collector.running():
        collector.scraped_after(0.0)
        send(torchserve, good=7, failing=3, unknown=2)
        collector.scraped_after(time.time())  # a last scrape of this process
        torchserve.restart()
        # Less than before: TorchServe tells no start, so only a counter that fell shows the restart.
        send(torchserve, good=4, failing=2, unknown=1)
        collector.scraped_after(time.time())
    found = counted.of_ledger(collector.database)
    assert found["http_responses 5xx"] == 3 + 2
    assert found["http_responses 4xx"] == 2 + 1
    assert found[ARRIVALS.name] == (7 + 3) + (4 + 2)
    # Scrapes and the harness's own questions are answers too: the 2xx are no count of predictions.
    assert found["http_responses 2xx"] > 7 + 4
    assert not any(name.startswith("requests") for name in found)
