"""HTML in which every text is escaped unless this module made it: what a fleet says about itself is never trusted."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit


class Html(str):
    """Markup made by `tag` or `join`. Anything derived from it (a slice, an f-string) is plain text again."""

    __slots__ = ()


def tag(name: str, *children: str, cls: str = "", style: str = "", title: str = "", role: str = "") -> Html:
    """`<name …>children</name>`; children that are not Html are escaped, and so are all attributes."""
    given = {"class": cls, "style": style, "title": title, "role": role}
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in given.items() if value)
    return Html(f"<{name}{attributes}>{join(children)}</{name}>")


def join(children: Iterable[str]) -> Html:
    """Parts one after the other, escaped where they are text."""
    return Html("".join(str(child) if isinstance(child, Html) else escape(child) for child in children))


def table(heads: Iterable[str], rows: Iterable[Html], cls: str = "") -> Html:
    """A table of rows made by `row`."""
    head = tag("thead", tag("tr", *(tag("th", text) for text in heads)))
    return tag("table", head, tag("tbody", *rows), cls=f"bl-table {cls}".strip())


class Cell(Html):
    """One `<td>`, made by `cell`."""

    __slots__ = ()


def cell(*children: str, cls: str = "", title: str = "", span: int = 1) -> Cell:
    """A cell over `span` columns."""
    made = tag("td", *children, cls=cls, title=title)
    return Cell(made if span == 1 else made.replace("<td", f'<td colspan="{span}"', 1))


def row(*cells: str, cls: str = "") -> Html:
    """One row; what is no Cell yet becomes one."""
    return tag("tr", *(one if isinstance(one, Cell) else cell(one) for one in cells), cls=cls)


def bar(share: float, cls: str = "", mark: float | None = None) -> Html:
    """A bar filled to `share` (0 to 1, cut at both ends), with a line at `mark`."""
    parts = [tag("i", style=f"width:{_percent(share)}")]
    if mark is not None:
        parts.append(tag("b", style=f"left:{_percent(mark)}"))
    return tag("span", *parts, cls=f"bl-bar {cls}".strip())


def range_bar(low: float, high: float, value: float, start: float, end: float) -> Html:
    """A number with what it lies between, on a scale from `start` to `end`; a fine line stands at 0 inside it."""
    width = end - start if end > start else 1.0
    left, right = max(start, low), min(end, high)
    parts = [
        tag("i", style=f"left:{_percent((left - start) / width)};width:{_percent((right - left) / width)}"),
        tag("b", style=f"left:{_percent((value - start) / width)}"),
    ]
    if start < 0 < end:
        parts.append(tag("u", style=f"left:{_percent(-start / width)}"))
    return tag("span", *parts, cls="bl-range")


def link(text: str, address: str) -> Html:
    """A link to one of our own pages (`dashboard.links`); foreign addresses go through `safe_url` first."""
    return Html(f'<a href="{escape(address)}" target="_self">{join([text])}</a>')


def safe_url(url: object) -> str | None:
    """The address, if it is one that a browser may follow: http or https with a host."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def _percent(share: float) -> str:
    return f"{min(1.0, max(0.0, share)) * 100:.1f}%"
