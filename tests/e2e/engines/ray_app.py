"""A Ray Serve application that fails where it is asked to: `python ray_app.py PORT METRICS_PORT FOLDER`.

Runs with the python of Ray's environment.
"""

import sys
import time

import ray
from ray import serve

port, metrics_port, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


@serve.deployment(ray_actor_options={"num_cpus": 0})
class App:
    """Answers with a word."""

    async def __call__(self, request):
        if "fail" in request.query_params:
            raise RuntimeError("asked to fail")
        return "ok"


ray.init(
    num_cpus=1,
    include_dashboard=False,
    object_store_memory=80 * 1024 * 1024,
    _metrics_export_port=metrics_port,
    _node_ip_address="127.0.0.1",
    _temp_dir=folder,
)
serve.start(http_options={"host": "127.0.0.1", "port": port})
serve.run(App.bind(), name="app", route_prefix="/app")
while True:
    time.sleep(1)
