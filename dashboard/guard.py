"""A fault in one part of a page costs that part only: at 3 a.m. the other incidents must still be there."""

from __future__ import annotations

import logging
from collections.abc import Callable

import streamlit as st

from core.errors import StorageError

_LOG = logging.getLogger("dashboard")


def draw(name: str, part: Callable[..., None], *arguments: object) -> None:
    """Draw a part; what went wrong is said in its place and written to the log with its trace.

    A StorageError is the page's matter: without a database no part can be drawn.
    """
    try:
        part(*arguments)
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 -- the boundary itself; Streamlit's control flow is no Exception
        _LOG.exception("%s cannot be drawn", name)
        kind = type(error).__name__
        st.error(f"**{name} cannot be drawn** ({kind}). The log of the dashboard says why.", icon=":material/error:")
