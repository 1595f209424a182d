"""The dashboard's settings; read once at the start, frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DashboardSettings(BaseModel):
    """The pages for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=9410, ge=1, le=65535, description="port to listen on")
    url: str = Field(default="", description="address that people reach it under, for links in alerts")
    refresh_seconds: int = Field(default=5, ge=1, description="how often the pages read the database")

    @property
    def external_url(self) -> str:
        """What links in alerts begin with."""
        return self.url or f"http://{self.host}:{self.port}"
