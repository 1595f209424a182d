"""Verdicts on a version beside its baseline: `detect` finds canaries, `criteria` reads them, `judge` decides, `round`
does it each minute, `telling` says it to people and programs. docs/canaries.md holds the method."""
