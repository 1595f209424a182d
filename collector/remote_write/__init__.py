"""Raw series to other engines by Prometheus remote write 1.0; docs/remote-write.md tells the rules.

segments -> storage.series.tail -> cut -> encode -> post, tried again by deliver; remote advances the cursor
"""

from __future__ import annotations

from collector.remote_write.service import RemoteWriters

__all__ = ["RemoteWriters"]
