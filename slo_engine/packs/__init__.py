"""SLOs that Burnline brings: OpenSLO v1 files, read by the same reader as a user's."""

from __future__ import annotations

from slo_engine.packs.load import load_pack, pack_documents, pack_names

__all__ = ["load_pack", "pack_documents", "pack_names"]
