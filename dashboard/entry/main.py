"""What Streamlit runs, in a folder of its own: beside a folder `pages` Streamlit would run those files by itself."""

from __future__ import annotations

from dashboard.app import main

main()
