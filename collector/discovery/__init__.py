"""Which targets there are: a mechanism a file, one port for all, and relabelling between them and the scraper."""

from collector.discovery.port import Group, Mechanism, Sink
from collector.discovery.targets import Target
from collector.discovery.watch import Discovery, Known

__all__ = ["Discovery", "Group", "Known", "Mechanism", "Sink", "Target"]
