"""The leader's lease: one engine decides, and a write with an old epoch is refused."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from core.errors import LeaseLost
from storage.database import Database
from storage.tables import lease


def acquire(database: Database, name: str, holder: str, now: float, ttl: float) -> int | None:
    """Take or renew a lease for `ttl` seconds: its epoch, new for a new holder; None while another holds it."""
    with database.write() as connection:
        row = connection.execute(select(lease).where(lease.c.name == name).with_for_update()).one_or_none()
        if row is None:
            connection.execute(insert(lease).values(name=name, holder=holder, epoch=1, expires_at=now + ttl))
            return 1
        if row.holder != holder and row.expires_at > now:
            return None
        epoch: int = row.epoch + (1 if row.holder != holder else 0)
        connection.execute(
            update(lease).where(lease.c.name == name).values(holder=holder, epoch=epoch, expires_at=now + ttl)
        )
        return epoch


def verify(connection: Connection, name: str, epoch: int) -> None:
    """LeaseLost when the lease has moved on; holds it for the rest of the transaction."""
    row = connection.execute(select(lease.c.epoch).where(lease.c.name == name).with_for_update()).one_or_none()
    if row is None or row.epoch != epoch:
        raise LeaseLost(f"the lease {name} has passed to another process")


def release(database: Database, name: str, holder: str) -> None:
    """Give a lease back, so that another takes over at once."""
    with database.write() as connection:
        connection.execute(update(lease).where(lease.c.name == name, lease.c.holder == holder).values(expires_at=0.0))
