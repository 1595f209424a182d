"""What the operating system and Python know about this process, for its metrics page."""

from __future__ import annotations

import gc
import os
import resource
import time
from pathlib import Path

from burnline.demo.page import ProcessFigures

_STAT = Path("/proc/self/stat")
_LOADED_AT = time.time()


def of_this_process() -> ProcessFigures:
    """The figures as they stand now; where there is no /proc, memory and open files are 0."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    virtual, resident = _memory()
    return ProcessFigures(
        start_time=start_time(),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        virtual_bytes=virtual,
        resident_bytes=resident,
        open_files=len(os.listdir("/proc/self/fd")) if _STAT.exists() else 0,  # noqa: PTH208 -- a path object for each descriptor is waste
        max_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        collections=tuple(
            (generation["collected"], generation["uncollectable"], generation["collections"])
            for generation in gc.get_stats()
        ),
    )


def start_time() -> float:
    """When this process started, as Unix time; without /proc, when this module was loaded."""
    if not _STAT.exists():
        return _LOADED_AT
    # The name of the program may hold blanks: the fields are counted after its closing bracket.
    ticks = int(_STAT.read_text().rpartition(")")[2].split()[19])
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


def _memory() -> tuple[int, int]:
    if not _STAT.exists():
        return 0, 0
    pages = Path("/proc/self/statm").read_text().split()
    size = os.sysconf("SC_PAGE_SIZE")
    return int(pages[0]) * size, int(pages[1]) * size
