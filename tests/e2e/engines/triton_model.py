"""Runs a Triton with one model that doubles numbers and fails for negative ones; for the environment of install-triton.

python triton_model.py FOLDER HTTP_PORT GRPC_PORT METRICS_PORT
"""

import sys

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


@batch
def double(x: np.ndarray) -> dict[str, np.ndarray]:
    """The model."""
    if (x < 0).any():
        raise ValueError("negative")
    return {"y": 2 * x}


def main(folder: str, http: int, grpc: int, metrics: int) -> None:
    """Serve until the process is ended."""
    here = "127.0.0.1"
    config = TritonConfig(
        http_address=here,
        http_port=http,
        grpc_address=here,
        grpc_port=grpc,
        metrics_address=here,
        metrics_port=metrics,
        # Counters are read when the page is asked for; this is about the gauges of CPU and GPU.
        metrics_interval_ms=500,
    )
    triton = Triton(config=config, workspace=folder)
    triton.bind(
        model_name="double",
        infer_func=double,
        inputs=[Tensor(name="x", dtype=np.float32, shape=(1,))],
        outputs=[Tensor(name="y", dtype=np.float32, shape=(1,))],
        config=ModelConfig(max_batch_size=4),
    )
    triton.serve()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
