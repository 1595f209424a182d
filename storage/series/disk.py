"""What the store asks of the disk: a port for writing, its errors, and file locks."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from core.errors import StorageError, StorageFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Disk(Protocol):
    """Writes bytes to an open file and makes them durable."""

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some or all of `data`; returns how many bytes were taken."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when what was written would survive a power cut."""
        ...


class SystemDisk:
    """The operating system's own calls."""

    def write(self, descriptor: int, data: memoryview) -> int:
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)


SYSTEM_DISK = SystemDisk()


def write_all(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write everything: one call, and more only where the system takes it in parts."""
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn an OSError into StorageFull (no space, no quota) or StorageError."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in _FULL else StorageError
        raise kind(f"recent series: {action}: {error.strerror or error}") from error


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A read-only descriptor; FileNotFoundError where the file has gone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the file's exclusive lock, which ends with the descriptor or the process; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold_lock(path: Path) -> int | None:
    """Create and lock a lock file; returns the descriptor to close, None if another process holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def same_file(path: Path, descriptor: int) -> bool:
    """Whether `path` still names the open file."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))


def sync_directory(directory: Path) -> None:
    """Make new, renamed and deleted names durable."""
    with opened(directory) as descriptor:
        os.fsync(descriptor)
