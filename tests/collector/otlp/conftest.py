"""The databases of the storage tests, for what must hold on both."""

from tests.storage.conftest import databases, postgresql_url

__all__ = ["databases", "postgresql_url"]
