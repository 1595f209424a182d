"""Engine profiles: data files that map an engine's raw metrics to Burnline's signals. Nothing else knows engines."""

from collector.profiles.identify import identify
from collector.profiles.load import profiles
from collector.profiles.model import Part, Profile

__all__ = ["Part", "Profile", "identify", "profiles"]
