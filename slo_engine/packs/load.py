"""Reading a pack by its name, from the source tree or an installed wheel."""

from __future__ import annotations

from importlib.resources import files

from core.errors import SpecError
from core.yaml import Document, load_text
from slo_engine.specs.model import Catalogue
from slo_engine.specs.node import nearest
from slo_engine.specs.openslo import read

_ENDING = ".yaml"


def pack_names() -> tuple[str, ...]:
    """The packs that exist."""
    names = (entry.name for entry in files("slo_engine.packs").iterdir())
    return tuple(sorted(name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)))


def load_pack(name: str) -> Catalogue:
    """The SLOs of a pack; SpecError for a name that is none."""
    return read(pack_documents(name))


def pack_documents(name: str) -> list[Document]:
    """The documents of a pack, not read yet; SpecError for a name that is none."""
    if name not in pack_names():
        raise SpecError(f"there is no pack {name!r}{nearest(name, pack_names())}")
    text = (files("slo_engine.packs") / f"{name}{_ENDING}").read_text(encoding="utf-8")
    return load_text(text, f"packs/{name}{_ENDING}")
