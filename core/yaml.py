"""YAML and JSON documents that remember the line of every key and item.

Loaded as YAML 1.2 with plain dict, list, str, int, float, bool and None; timestamps stay text
(`startTime: 2022-01-01 12:00:00` must not become a datetime), and a duplicate key is an error.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import ConfigError, Place

Path_ = tuple[str | int, ...]

MOST_ENTRIES = 500_000
"""A dozen lines of aliases to aliases expand to millions of entries; no real file comes near."""


class Document(NamedTuple):
    """One YAML document: plain values, and the line (from 1) of each path within it."""

    file: str
    value: Any
    lines: dict[Path_, int]

    def place(self, path: Path_) -> Place:
        """Where a path stands; the nearest parent when the path itself is absent."""
        while path and path not in self.lines:
            path = path[:-1]
        return Place(self.file, self.lines.get(path, 1))


def load_file(path: Path) -> list[Document]:
    """Every document of a file; ConfigError names file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", Place(str(path), 0)) from None
    return load_text(text, str(path))


def load_text(text: str, file: str) -> list[Document]:
    """Every document of a text that came from `file`."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - 60 ms to import
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    yaml = YAML(typ="safe", pure=True)
    try:
        nodes = list(yaml.compose_all(text))
        return [_document(node, file) for node in nodes if node is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"not valid YAML: {error.problem or error.context}", Place(file, line)) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"not valid YAML: {str(error).splitlines()[0] if str(error) else error!r}", Place(file, 1)
        ) from None


def dump_text(value: Any) -> str:
    """Plain values as one YAML document, keys in their order, no line folded."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - 60 ms to import

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    setattr(yaml, "sort_base_mapping_type_on_output", False)  # noqa: B010 - typed as None there
    yaml.width = 1_000_000
    into = StringIO()
    yaml.dump(value, into)
    return into.getvalue()


def _document(node: Any, file: str) -> Document:
    lines: dict[Path_, int] = {}
    value = _value(node, (), lines, file)
    return Document(file, value, lines)


def _value(node: Any, path: Path_, lines: dict[Path_, int], file: str) -> Any:
    from ruamel.yaml.nodes import MappingNode, SequenceNode  # noqa: PLC0415

    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > MOST_ENTRIES:
        raise ConfigError(
            f"more than {MOST_ENTRIES} entries once aliases are expanded", Place(file, node.start_mark.line + 1)
        )
    if isinstance(node, MappingNode):
        return _mapping(node, path, lines, file)
    if isinstance(node, SequenceNode):
        return [_value(item, (*path, index), lines, file) for index, item in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: Any, path: Path_, lines: dict[Path_, int], file: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in result:
            raise ConfigError(f"the key {key!r} stands twice", Place(file, line))
        lines[(*path, key)] = line
        result[key] = _value(value_node, (*path, key), lines, file)
    return result


def _scalar(node: Any) -> Any:
    tag = str(node.tag).rsplit(":", 1)[-1].rsplit("!", 1)[-1]
    text = node.value
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("true", "yes", "on")
    if tag == "int" and not text.lstrip("+-").startswith("0b"):  # no number in YAML 1.2, but the head of many a digest
        digits = text.replace("_", "")
        return (
            int(digits, 8) if digits.lstrip("+-").startswith("0o") else int(digits, 0) if "x" in digits else int(digits)
        )
    if tag == "float":
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
