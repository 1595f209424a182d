"""Every error that Burnline raises on purpose.

BurnlineError
├── ConfigError            a setting, a spec or a service-discovery file is wrong (has a place)
│   └── SpecError          an SLO file is wrong
├── ParseError             a metrics page, a selector or a duration cannot be read
│   └── PageRejected       the whole page is refused (has the line)
├── DiscoveryError         a source of targets, or a target that it tells, cannot be used
├── ScrapeError            a target could not be read (has a reason that `up` and health show)
├── StorageError           the database or the series files failed
│   ├── StorageBusy        a lock was not had in time; the work may be tried again
│   ├── StorageFull        the disk is full; nothing was written
│   └── LeaseLost          this process is no longer the leader; its writes are refused
└── DeliveryError          a receiver did not take a notification
    ├── DeliveryRetryable  later it may
    └── DeliveryRefused    it never will
"""

from __future__ import annotations

from dataclasses import dataclass


class BurnlineError(Exception):
    """Root of every expected error: its text is written for the person who must act on it."""


@dataclass(frozen=True)
class Place:
    """Where in a file something is wrong; `line` counts from 1, 0 means the whole file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class ConfigError(BurnlineError):
    """A setting is wrong; says where, what, and what to write instead."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        self.message = message
        self.place = place
        super().__init__(f"{place}: {message}" if place else message)


class SpecError(ConfigError):
    """An SLO file is wrong."""


class ParseError(BurnlineError):
    """Text that should follow a grammar does not."""


class PageRejected(ParseError):
    """A metrics page is refused as a whole, as Prometheus refuses it; `line` counts from 1, on a page without lines the
    `unit` that it is made of."""

    def __init__(self, line: int, message: str, unit: str = "line") -> None:
        self.line = line
        self.message = message
        super().__init__(f"{unit} {line}: {message}")


class DiscoveryError(BurnlineError):
    """A source of targets failed, or a target that it tells cannot be scraped; `status` is the HTTP status, if any."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class ScrapeError(BurnlineError):
    """A target could not be read; `reason` is one word that metrics and health carry."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class StorageError(BurnlineError):
    """The database or the series files failed."""


class StorageBusy(StorageError):
    """A lock was not had in time; the same work may be tried again."""


class StorageFull(StorageError):
    """The disk is full; nothing was written and no checkpoint advanced."""


class LeaseLost(StorageError):
    """The leader's lease has passed to another process; its writes are refused."""


class DeliveryError(BurnlineError):
    """A receiver did not take a notification."""


class DeliveryRetryable(DeliveryError):
    """The receiver may take it later; `retry_after` is in seconds where the receiver said it."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class DeliveryRefused(DeliveryError):
    """The receiver will never take this notification."""
