from __future__ import annotations

import inspect
import re
import textwrap

import pytest

from core import errors
from core.errors import BurnlineError, ConfigError, DeliveryRetryable, PageRejected, Place, ScrapeError

LINE = re.compile(r"^(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)\b")


def drawn() -> dict[str, str | None]:
    """Class and parent as the module's docstring draws them."""
    assert errors.__doc__ is not None
    found: dict[str, str | None] = {}
    path: list[str] = []
    tree = errors.__doc__.split("\n\n", 1)[1]
    for line in textwrap.dedent(tree).splitlines():
        match = LINE.match(line)
        if match:
            depth = len(match["indent"]) // 4
            path[depth:] = [match["name"]]
            found[match["name"]] = path[depth - 1] if depth else None
    return found


def defined() -> dict[str, str | None]:
    """Class and parent as they are."""
    return {
        name: one.__base__.__name__ if one is not BurnlineError and one.__base__ else None
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, BaseException) and one.__module__ == errors.__name__
    }


def test_the_tree_that_is_drawn_is_the_tree_that_is() -> None:
    assert drawn() == defined()
    assert len(defined()) > 10


def test_every_error_says_what_it_means() -> None:
    assert all(vars(errors)[name].__doc__ for name in defined())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError("write 1", Place("a.yaml", 3)), "a.yaml:3: write 1"),
        (ConfigError("write 1"), "write 1"),
        (PageRejected(7, "no value"), "line 7: no value"),
        (ScrapeError("timeout", "no page"), "no page"),
        (DeliveryRetryable("later", 3.0), "later"),
    ],
)
def test_an_error_reads_as_a_sentence(error: BurnlineError, text: str) -> None:
    assert str(error) == text
