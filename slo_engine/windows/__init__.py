"""Burn windows as data files, and the policy that is read from them."""

from __future__ import annotations

from slo_engine.windows.policy import BurnPolicy, BurnRow, in_steps, policy_for, workbook_for

__all__ = ["BurnPolicy", "BurnRow", "in_steps", "policy_for", "workbook_for"]
