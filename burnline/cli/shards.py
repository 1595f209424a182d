"""`burnline shard`: the collectors that the watermark waits for."""

from __future__ import annotations

import getpass
import re
import time
from typing import Annotated

import typer

from burnline.cli.common import ConfigOption, JsonOption, open_database, print_json, settings_of, table

app = typer.Typer(help="The collectors that the watermark waits for.", rich_markup_mode=None, no_args_is_help=True)

_SET = re.compile(r"of-([1-9]\d*)")
_ALIVE = 60.0
"""A collector that wrote within these seconds still runs."""


@app.command("list")
def list_shards(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List shards: up to when their counts are committed, when they last wrote, how many targets they have, and what is
    wrong with the sources of targets."""
    from burnline.views import time_text
    from storage import fleet

    with open_database(settings_of(config)).read() as connection:
        found = fleet.shards(connection)
    if json:
        print_json([one._asdict() for one in found])
        return
    rows = [[s.name, *map(str, map(time_text, (s.flushed_through, s.heartbeat_at))), str(s.targets)] for s in found]
    table(rows, ["SHARD", "FLUSHED THROUGH", "LAST WRITE", "TARGETS"])
    for one in found:
        for job, errors in one.discovery.items():
            for source, error in errors.items():
                typer.echo(f"{one.name}: job {job}: {source}: {error}")


@app.command()
def retire(
    name: Annotated[str, typer.Argument(help="A shard that stands alone, as eu; or all parts of a set, as of-8")],
    config: ConfigOption = None,
) -> None:
    """The watermark waits no more for a shard that will not come back. Refused while it still writes.

    Examples: burnline shard retire eu;  burnline shard retire of-8
    """
    from core.errors import ConfigError
    from storage import fleet
    from storage.shards import member_of, set_of

    size = _SET.fullmatch(name)
    if member_of(name) is not None or "/" in name:
        raise ConfigError(f"{name} is one part of a set: only the whole set can go, as of-8")
    names = {one.name for one in set_of(int(size[1]))} if size else {name}
    database, now = open_database(settings_of(config)), time.time()
    with database.write() as connection:
        known = [one for one in fleet.shards(connection) if one.name in names]
        alive = [one.name for one in known if now - one.heartbeat_at < _ALIVE]
        if not known:
            raise ConfigError(f"no shard {name}: `burnline shard list` shows those that are known")
        if alive:
            raise ConfigError(f"{', '.join(alive)} wrote within the last minute: stop it first")
        fleet.retire(connection, names, now, getpass.getuser())
    typer.echo(f"retired: {', '.join(one.name for one in known)}")
