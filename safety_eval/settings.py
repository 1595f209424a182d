"""The evaluator's settings; read once at the start, frozen."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.settings import Duration

Device = Literal["auto", "cpu", "cuda"]
KeepPolicy = Literal["nothing", "hash", "redacted"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PiiSettings(_Settings):
    """Personal data in answers."""

    enabled: bool = Field(default=True, description="whether answers are searched for personal data")
    threshold: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="a finding counts from this score on; 0.4 is a telephone number without a telling word beside it",
    )
    types: tuple[str, ...] = Field(
        default=("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS"),
        description="Presidio's names of what flags an answer; also PERSON and LOCATION can be asked for",
    )


class SecretsSettings(_Settings):
    """Credentials in answers."""

    enabled: bool = Field(default=True, description="whether answers are searched for credentials")


class InjectionSettings(_Settings):
    """Prompt injection."""

    enabled: bool = Field(default=True, description="whether prompts are searched for injections")
    threshold: float = Field(default=0.5, gt=0, le=1, description="a prompt is flagged from this probability on")


class GroundednessSettings(_Settings):
    """Answers that their context does not carry."""

    enabled: bool = Field(default=True, description="whether answers are compared with their context")
    threshold: float = Field(default=0.4, gt=0, le=1, description="an answer is flagged from this distance on")


class KeepSettings(_Settings):
    """What stays of prompts and answers that were scored."""

    policy: KeepPolicy = Field(
        default="nothing",
        description="nothing; hash: a keyed hash of each; redacted: each without what pii and secrets find in it",
    )
    retention: Duration = Field(default=7 * 24 * 3600.0, gt=0, description="how long it stays")


class EvaluatorSettings(_Settings):
    """How drawn answers are scored."""

    enabled: bool = Field(default=True, description="whether `burnline up` runs the evaluator")
    device: Device = Field(default="auto", description="where models run; auto is CUDA where there is one")
    threads: int = Field(default=1, ge=1, description="threads of torch on the CPU")
    batch: int = Field(default=16, ge=1, le=1024, description="samples that are leased, scored and committed together")
    poll_interval: Duration = Field(default=2.0, gt=0, description="pause when no sample waits")
    lease_ttl: Duration = Field(
        default=60.0, ge=3, description="a dead evaluator's samples come back after this; renewed at a third of it"
    )
    pii: PiiSettings = Field(default=PiiSettings(), description="personal data in answers")
    secrets: SecretsSettings = Field(default=SecretsSettings(), description="credentials in answers")
    injection: InjectionSettings = Field(default=InjectionSettings(), description="injections in prompts")
    groundedness: GroundednessSettings = Field(
        default=GroundednessSettings(), description="answers that their context does not carry"
    )
    keep: KeepSettings = Field(default=KeepSettings(), description="what stays of prompts and answers that were scored")
