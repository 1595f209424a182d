"""How states look everywhere: a shape and a word, and only then a colour."""

from __future__ import annotations

from dashboard.markup import Html, tag

_SHAPES = {
    "firing": "▲",
    "pending": "◆",
    "ok": "●",
    "no data": "○",
    "down": "▼",
    "excluded": "■",
    "never scraped": "○",
    "up": "●",
    "failed": "▼",
    "retrying": "◆",
    "waiting": "○",
    "resolved": "●",
    "cleared": "●",
    "page": "▲",
    "ticket": "■",
    "info": "○",
    "pass": "●",
    "fail": "▲",
    "inconclusive": "◆",
}
_COLOURS = {
    **dict.fromkeys(("firing", "down", "failed", "page", "fail"), "bad"),
    **dict.fromkeys(("pending", "retrying", "excluded", "ticket", "inconclusive"), "warn"),
    **dict.fromkeys(("ok", "up", "resolved", "cleared", "pass"), "good"),
}


def sign(state: str) -> Html:
    """A state as shape, word and colour; one that is not known here is shown as it is."""
    return tag("span", f"{_SHAPES.get(state, '○')} {state}", cls=f"bl-sign bl-{_COLOURS.get(state, 'mute')}")


def heading(text: str, note: str = "") -> Html:
    """A section's heading with what there is to say about it in a few words."""
    return tag("h3", text, tag("small", note) if note else "", cls="bl-heading")


def nothing(text: str) -> Html:
    """What stands where there is nothing to show."""
    return tag("p", text, cls="bl-nothing")
