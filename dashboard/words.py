"""Numbers and times as a tired person reads them. What is unknown has a word, never a 0 and never a blank."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from core.durations import DAY, HOUR, MINUTE
from dashboard.filters import DIMENSIONS

NOT_MEASURED = "not measured"
THIN = "\u202f"
_TIMES = "\N{MULTIPLICATION SIGN}"


def age(seconds: float) -> str:
    """A length of time in its two largest units: `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    rest = max(0, round(seconds))
    if rest < MINUTE:
        return f"{rest}{THIN}s"
    pairs = ((MINUTE, "min", 1, "s"), (HOUR, "h", MINUTE, "min"), (DAY, "d", HOUR, "h"))
    unit, name, small, small_name = next(p for p in reversed(pairs) if rest >= p[0])
    more = rest % unit // small
    text = f"{rest // unit}{THIN}{name}"
    return f"{text} {more}{THIN}{small_name}" if more else text


def clock(time: float, now: float) -> str:
    """The time of day in UTC, with the date when it is not today's."""
    at, today = datetime.fromtimestamp(time, UTC), datetime.fromtimestamp(now, UTC)
    return at.strftime("%H:%M:%S UTC" if at.date() == today.date() else "%d %b %H:%M UTC")


def since(time: float, now: float) -> str:
    """`03:02:11 UTC (12 min 4 s ago)`."""
    return f"{clock(time, now)} ({age(now - time)} ago)"


def percent(share: float, digits: int = 2) -> str:
    """A share as a percentage; 99.996 % is never rounded up to 100 %, nor a tiny share down to 0 %."""
    value = share * 100
    text = f"{value:.{digits}f}"
    whole = {0.0, 100.0, -100.0}
    while float(text) in whole and value not in whole and digits < 6:
        digits += 1
        text = f"{value:.{digits}f}"
    return f"{text}{THIN}%".replace("-", "\N{MINUS SIGN}")


def times(rate: float) -> str:
    """A burn rate with a times sign behind it."""
    return (f"{rate:.3g}" if rate < 1000 else f"{rate:,.0f}") + _TIMES


def day(time: float) -> str:
    """`Mon 23 Nov`, in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%a %d %b")


def hour(time: float) -> str:
    """`Mon 23 Nov 14:00 UTC`."""
    return datetime.fromtimestamp(time, UTC).strftime("%a %d %b %H:%M UTC")


def rate(a_second: float) -> str:
    """Events a second with three digits: `0.0123`, `4.56`, `1,230`."""
    return f"{a_second:.3g}" if a_second < 1000 else f"{a_second:,.0f}"


def dollars(micros: int) -> str:
    """US dollars of micro-dollars; cents only where they matter, and less than a cent is said to be that."""
    amount = micros / 1e6
    if 0 < amount < 0.01:
        return "under $0.01"
    return f"${amount:,.2f}" if amount < 1000 else f"${amount:,.0f}"


def points(difference: float) -> str:
    """A difference of two shares, in percentage points with its sign."""
    return f"{difference * 100:+.2f}{THIN}points".replace("-", "\N{MINUS SIGN}")


def evidence(e_value: float) -> str:
    """An e-value as odds: how often a fair bet against `no worse` would have multiplied its stake."""
    if e_value < 1:
        return "no evidence"
    return f"evidence {e_value:,.3g} : 1" if e_value < 1000 else f"evidence {min(e_value, 1e9):,.0f} : 1"


def count(n: float) -> str:
    """A whole number with separators; target-seconds may have a fraction, which is dropped."""
    return f"{n:,.0f}"


def group(dimensions: Mapping[str, str]) -> str:
    """`version v2 · region eu-west`, known dimensions first; the whole fleet when there are none."""
    names = sorted(
        dimensions, key=lambda name: (DIMENSIONS.index(name) if name in DIMENSIONS else len(DIMENSIONS), name)
    )
    return " · ".join(f"{name} {dimensions[name]}" for name in names) or "whole fleet"


def place(url: str) -> str:
    """A target's address without credentials and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "unreadable address"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.scheme else url
