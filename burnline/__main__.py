"""`burnline` and `python -m burnline`."""

from __future__ import annotations

import sys

from burnline.cli.app import app, run


def main() -> None:
    """The console script: errors that are ours become one message and an exit code."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
