"""What a person sets on the Debug and SLO pages. Every choice goes into the address, and is read from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from dashboard import words
from dashboard.debug.address import Asked, link
from dashboard.debug.span import DEFAULT, RANGES, Span
from dashboard.filters import DIMENSIONS
from dashboard.markup import link as anchor
from dashboard.markup import tag


def query() -> dict[str, str]:
    """The address's parameters as they are now."""
    return {str(name): str(value) for name, value in st.query_params.items()}


def choose_range(asked: Asked, page: str, default: str = DEFAULT) -> None:
    """The buttons for the length of the stretch that is shown."""
    key = f"{page}-range"
    st.session_state[key] = asked.range or default
    st.segmented_control(
        "Range", list(RANGES), key=key, label_visibility="collapsed", on_change=_take, args=(key, "range")
    )


def choose_one(label: str, options: Sequence[str], chosen: str | None, name: str, page: str, none: str = "") -> None:
    """A list with one choice; with `none` also that of nothing."""
    key = f"{page}-{name}"
    st.session_state[key] = chosen if chosen in options else (none or None)
    st.selectbox(
        label, [*([none] if none else []), *options], key=key, label_visibility="collapsed",
        placeholder=label, on_change=_take, args=(key, name, none),
    )  # fmt: skip


def choose_group(groups: Iterable[Mapping[str, str]], chosen: Mapping[str, str], page: str) -> None:
    """A chip for each dimension that is set; its field adds more."""
    key = f"{page}-group"
    pairs = {(name, value) for group in groups for name, value in group.items() if name in DIMENSIONS}
    pairs |= set(chosen.items())
    by_text = {f"{name} = {value}": (name, value) for name, value in sorted(pairs, key=_place)}
    st.session_state[key] = [f"{name} = {value}" for name, value in sorted(chosen.items(), key=_place)]
    st.multiselect(
        "Group", list(by_text), key=key, label_visibility="collapsed", on_change=_narrow, args=(key, by_text),
        placeholder="Whole fleet. Narrow to a model, version, region or tenant",
    )  # fmt: skip


def say_span(span: Span, given: Mapping[str, str], page: str) -> None:
    """Which stretch is shown, and the way back to now."""
    width = words.age(span.width)
    text = f"{words.clock(span.start, 0.0)} to {words.clock(span.end, 0.0)} in buckets of {width}. {span.note} "
    parts = [tag("span", text)]
    if not span.live:
        parts += [
            tag("strong", "This is the past: the page stands still. "),
            anchor("Back to now", link(given, page, at=None)),
        ]
    st.html(tag("p", *parts, cls="bl-line"))


def _place(pair: tuple[str, str]) -> tuple[int, str]:
    return DIMENSIONS.index(pair[0]), pair[1]


def _take(key: str, name: str, none: str = "") -> None:
    value = st.session_state[key]
    if value and value != none:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def _narrow(key: str, by_text: Mapping[str, tuple[str, str]]) -> None:
    # Of two values of one name the newer stands: the address has room for one.
    wanted = dict(by_text[text] for text in st.session_state[key])
    for name in DIMENSIONS:
        if name in wanted:
            st.query_params[name] = wanted[name]
        elif name in st.query_params:
            del st.query_params[name]
