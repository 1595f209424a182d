"""The dashboard's settings; read once at the start, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from storage.tokens import Role


class LoginSettings(BaseModel):
    """An OpenID Connect provider that says who somebody is, and which role they have here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field(default="", description="the client's id at the provider; empty: no login")
    client_secret_file: Path | None = Field(default=None, description="file with the client's secret")
    cookie_secret_file: Path | None = Field(
        default=None, description="file with at least 32 random characters that sign the session's cookie"
    )
    server_metadata_url: str = Field(
        default="", description="the provider's address that ends with /.well-known/openid-configuration"
    )
    roles: Mapping[str, Role] = Field(
        default={}, description="read, write or admin by e-mail address or `claim=value`; others see nothing"
    )
    session_hours: float = Field(default=12.0, gt=0, le=720, description="how long a login holds")

    @property
    def enabled(self) -> bool:
        """Whether people must log in."""
        return bool(self.client_id)

    @field_validator("server_metadata_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))):
            raise ValueError("the provider's address must begin with https://")
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        needed = ("client_secret_file", "cookie_secret_file", "server_metadata_url", "roles")
        missing = [name for name in needed if not getattr(self, name)]
        if self.enabled and missing:
            raise ValueError(f"a login needs {', '.join(missing)} too")
        if not self.enabled and len(missing) < len(needed):
            raise ValueError("a login needs client_id too")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class DashboardSettings(BaseModel):
    """The pages for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=9410, ge=1, le=65535, description="port to listen on")
    url: str = Field(default="", description="address that people reach it under, for links in alerts")
    login: LoginSettings = Field(default=LoginSettings(), description="who may see and do what")
    refresh_seconds: int = Field(default=5, ge=1, description="how often the pages read the database")

    @property
    def external_url(self) -> str:
        """What links in alerts begin with."""
        return self.url or f"http://{self.host}:{self.port}"
