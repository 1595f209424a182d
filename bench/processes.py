"""Processes that a benchmark starts and watches."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """Of a process: CPU seconds so far, and resident bytes."""

    cpu: float
    resident: int


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def usage_of(pid: int) -> Usage:
    """What a process has taken until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process in order."""
    process.send_signal(signal.SIGTERM)
    process.wait(60)
