"""The parts of docs/ and README.md that say what the code says: made from the code itself.

A page marks such a part with `<!-- made: NAME -->` and `<!-- end -->`. `python -m burnline.reference` in a checkout
writes them anew; a test fails when a page says something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from alerting.secret import Secret
from burnline.api.app import create_app
from burnline.cli.app import app
from burnline.settings import Settings
from collector.otlp.dialects import Dialect, Documents, FieldName, Messages, dialects
from collector.profiles import profiles
from core.durations import render
from slo_engine.packs import load_pack, pack_names
from slo_engine.specs.model import Slo
from storage.database import Database

PAGES = ("README.md", "docs/configuration.md", "docs/commands.md", "docs/api.md", "docs/generations.md")
_PART = re.compile(r"(<!-- made: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PLAIN = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Secret: "text, secret",
}
_ANYWHERE = frozenset({"400", "401", "403", "413", "422", "429"})
"""Refusals of the API that its page tells once, for all requests."""
_SAYS = {"gt": "over", "ge": "at least", "lt": "under", "le": "at most", "min_length": "characters: at least"}


class Setting(NamedTuple):
    """One key of `burnline.yaml`: its dotted path, its type, default and meaning in words."""

    path: str
    type: str
    default: str
    description: str


def rewritten(text: str) -> str:
    """A page with its made parts as the code says them; KeyError for a part that has no maker."""
    return _PART.sub(lambda part: f"{part[1]}\n{_made(part[2])}\n\n{part[3]}", text)


def _made(name: str) -> str:
    if name.startswith("pack:"):
        return pack_table(name.removeprefix("pack:"))
    makers = {
        "settings": settings_table,
        "commands": command_list,
        "api": api_table,
        "engines": engine_table,
        "dialects": dialect_table,
    }
    return makers[name]()


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what Markdown would read as its own is escaped."""
    lines = [header, ["---"] * len(header), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("<", "&lt;").replace("__", "\\_\\_")


# Settings.


def settings_table() -> str:
    """Every setting of `burnline.yaml`."""
    rows = ([f"`{s.path}`", s.type, s.default, s.description] for s in settings())
    return table(["setting", "type", "default", "meaning"], rows)


def settings() -> list[Setting]:
    """Every setting, parents before their children; a list's entries have the path `parent[]`."""
    return list(_walk(Settings, "", ()))


def _walk(model: type[BaseModel], prefix: str, above: tuple[type[BaseModel], ...]) -> Iterator[Setting]:
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        inner = _model_in(hints[name])
        yield Setting(path, _type(hints[name]) + _limits(field), _default(field, hints[name]), field.description or "")
        if inner is not None and inner not in (*above, model):
            dot = "[]." if get_origin(_bare(hints[name])) is tuple else "."
            yield from _walk(inner, path + dot, (*above, model))


def _bare(hint: Any) -> Any:
    """Without `Annotated` and `| None`."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif get_origin(hint) in (Union, UnionType):
            hint = next(arg for arg in get_args(hint) if arg is not type(None))
        else:
            return hint


def _model_in(hint: Any) -> type[BaseModel] | None:
    bare = _bare(hint)
    if get_origin(bare) is tuple:
        return _model_in(get_args(bare)[0])
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _is_duration(hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_is_duration(arg) for arg in get_args(hint))
    read = get_origin(hint) is Annotated and any(isinstance(arg, BeforeValidator) for arg in get_args(hint))
    return read and _bare(hint) is float


def _type(hint: Any) -> str:
    bare = _bare(hint)
    if _is_duration(hint):
        return "duration"
    if get_origin(bare) is tuple:
        entry = get_args(bare)[0]
        return "list" if _model_in(entry) else f"list of {_type(entry)}s"
    if get_origin(bare) in (dict, Mapping):
        return f"mapping of text to {_type(get_args(bare)[1])}"
    if get_origin(bare) is Literal:
        return "one of " + ", ".join(map(str, get_args(bare)))
    return "section" if _model_in(bare) else _PLAIN[bare]


def _limits(field: FieldInfo) -> str:
    said = {name: getattr(rule, name) for rule in field.metadata for name in _SAYS if _has(rule, name)}
    if "gt" in said:
        said.pop("ge", None)  # a duration is at least 0 before it is over 0
    words = [f"{_SAYS[name]} {value}" for name, value in said.items()]
    words += [f"`{rule.pattern}`" for rule in field.metadata if _has(rule, "pattern")]
    return f" ({', '.join(words)})" if words else ""


def _has(rule: Any, name: str) -> bool:
    return getattr(rule, name, None) is not None


def _default(field: FieldInfo, hint: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return ""
    if value is None or value in ((), {}, ""):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if _is_duration(hint):
        return f"`{render(value)}`"
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_listed(entries)}" for name, entries in value.items())
    return _listed(value) if isinstance(value, tuple) else f"`{value}`"


def _listed(values: tuple[Any, ...]) -> str:
    """A list as it is written; of sections only their names."""
    return f"`[{', '.join(str(getattr(one, 'name', one)) for one in values)}]`"


# Commands.


def command_list() -> str:
    """Every command of the tree with its help, arguments and options."""
    return "\n\n".join(_command(path, command) for path, command in commands() if not _is_group(command))


def commands() -> list[tuple[str, Any]]:
    """(path, command) of every command and group, `burnline` itself first."""
    return list(_below("burnline", typer.main.get_command(app)))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    if _is_group(command):
        for name, inner in command.commands.items():
            yield from _below(f"{path} {name}", inner)


def _is_group(command: Any) -> bool:
    return hasattr(command, "commands")


def _command(path: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    title = " ".join([path, *(_argument(argument) for argument in arguments)])
    parts = [f"### `{title}`", _examples(str(command.help or ""))]
    if command.params:
        parts.append(table(["", "meaning", "default"], (_parameter(parameter) for parameter in command.params)))
    return "\n\n".join(parts)


def _argument(argument: Any) -> str:
    name = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _examples(text: str) -> str:
    """What follows `Example:` as code."""
    plain, found, example = " ".join(text.split()).partition("Example")
    if not found:
        return plain
    given = [f"    {one.strip()}" for one in example.partition(":")[2].split(";")]
    return "\n\n".join([*([plain.strip()] if plain else []), "\n".join(given)])


def _parameter(parameter: Any) -> list[str]:
    is_argument = parameter.param_type_name == "argument"
    name = _argument(parameter) if is_argument else ", ".join(parameter.opts)
    shown = parameter.default not in (None, False, "") and not callable(parameter.default)
    default = "required" if parameter.required else f"`{parameter.default}`" if shown else ""
    return [f"`{name}`", parameter.help or "", default]


# The API, engines and packs.


def api_table() -> str:
    """Every path of the HTTP API."""
    paths = create_app(Database("sqlite://")).openapi()["paths"]
    rows = [
        [
            f"`{method.upper()} {path}`",
            _flat(operation["description"]),
            _queries(operation),
            operation.get("x-burnline-role", "open"),
            _codes(operation),
        ]
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    return table(["request", "answer", "query", "role", "status"], rows)


def _queries(operation: dict[str, Any]) -> str:
    found = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    return ", ".join(f"`{one['name']}`" + (" (required)" if one["required"] else "") for one in found)


def _codes(operation: dict[str, Any]) -> str:
    return ", ".join(sorted(set(operation["responses"]) - _ANYWHERE))


def dialect_table() -> str:
    """Which attribute carries what, by dialect; the newest first."""
    found = dialects()
    names: tuple[FieldName, ...] = get_args(FieldName)
    rows = [
        ["recognised by", *(_names(one.recognised_by) for one in found)],
        ["operation", *(_operation(one) for one in found)],
        *([name, *(_field(one, name) for one in found)] for name in names),
        ["prompt", *(_places(one.prompt) for one in found)],
        ["output", *(_places(one.output) for one in found)],
        ["system", *(_places(one.system) for one in found)],
        ["documents", *(_places(one.documents) for one in found)],
    ]
    return table(["what", *(one.title for one in found)], rows)


def _operation(one: Dialect) -> str:
    meanings = ", ".join(f"{value}: {meaning}" for value, meaning in one.operation.values.items())
    return _names([one.operation.attribute]) + (f" ({meanings})" if meanings else "")


def _field(one: Dialect, name: FieldName) -> str:
    told = _names(one.fields.get(name, ()))
    if name == "ttft" and one.first_token_events:
        return f"the first event {_names(one.first_token_events)}"
    return told


def _places(found: Iterable[Messages | Documents]) -> str:
    below = [place.attribute or (f"{place.prefix}.*" if place.prefix else "") for place in found]
    on_events = [name for place in found for name in getattr(place, "on_events", ())]
    return _names([name for name in below if name]) + (f"events {_names(on_events)}" if on_events else "")


def _names(found: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in found)


def engine_table() -> str:
    """Every engine profile: its layer, the signals it carries, and what it cannot tell."""
    rows = (
        [f"`{p.engine}`", p.layer, ", ".join(f"`{s}`" for s in sorted(p.signals)), " ".join(p.cannot.values())]
        for p in profiles()
    )
    return table(["engine", "layer", "signals", "what it cannot tell"], rows)


def pack_table(name: str) -> str:
    """The SLOs of a pack: the promise, what breaking it does, and the groups that are judged apart."""
    if name not in pack_names():
        raise KeyError(name)
    rows = ([f"`{s.name}`", _promise(s), _consequence(s), ", ".join(s.by) or "the fleet"] for s in load_pack(name).slos)
    return table(["SLO", "promise", "when it breaks", "for each"], rows)


def _promise(slo: Slo) -> str:
    return _flat(slo.description).partition(". ")[0].rstrip(".")


def _consequence(slo: Slo) -> str:
    if not slo.alerting.enabled:
        return "off"
    if slo.unsupported:
        return "not measured yet"
    return "pages" if slo.alerting.page else "ticket" if slo.alerting.ticket else "shown only"


def _flat(text: str) -> str:
    return " ".join(text.split())


def main(root: Path) -> None:
    """Write the made parts of every page below a checkout anew."""
    for page in PAGES:
        path = root / page
        path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path.cwd())
