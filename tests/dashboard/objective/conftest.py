"""The same pages as for the Debug page."""

from tests.dashboard.debug.conftest import shown

__all__ = ["shown"]
