"""The scripts of the demo, as tables: at this simulated second, this happens to these replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


class Scope(NamedTuple):
    """Which replicas; None means any. `number` counts the replicas that match the rest from 0."""

    version: str | None = None
    region: str | None = None
    number: int | None = None

    def covers(self, version: str, region: str) -> bool:
        """Whether replicas of this version and region are meant, `number` aside."""
        return self.version in (None, version) and self.region in (None, region)


@dataclass(frozen=True)
class Effects:
    """What is wrong with a replica; the defaults are a healthy one.

    `slowdown` stretches each engine step, `error_rate`, `unsafe_rate` and `ungrounded_rate` (answers that invent what
    their documents do not say) are shares of requests, `kv_share` is the
    share of the KV blocks that is left, `verbosity` multiplies output lengths, `gpu_memory` is the share of GPU
    memory in use, `xid` the last error code of the GPU. A frozen engine makes no step.
    """

    slowdown: float = 1.0
    error_rate: float = 0.0
    frozen: bool = False
    kv_share: float = 1.0
    verbosity: float = 1.0
    unsafe_rate: float = 0.0
    ungrounded_rate: float = 0.02
    gpu_memory: float = 0.92
    xid: int = 0


class Change(NamedTuple):
    """From `at` on, these replicas suffer these effects and no others."""

    at: float
    scope: Scope
    effects: Effects


class Kill(NamedTuple):
    """At `at`, these replicas are killed with SIGKILL; `stays_dead` keeps the supervisor from restarting them."""

    at: float
    scope: Scope
    stays_dead: bool = False


class Traffic(NamedTuple):
    """From `at` on, this share of the clients sends requests."""

    at: float
    share: float


Event: TypeAlias = Change | Kill | Traffic


class Scenario(NamedTuple):
    """A script and the sentence that tells people what they will see. Events stand in time order."""

    description: str
    events: tuple[Event, ...] = ()


_CANARY_EU = Scope("v2", "eu-west")
_STABLE = Scope("v1")
_ONE_STABLE_EU = Scope("v1", "eu-west", 0)
_EVERYONE = Scope()
_HEALTHY = Effects()

SCENARIOS: dict[str, Scenario] = {
    "healthy": Scenario("Nothing is wrong; every promise holds by a wide margin."),
    "canary-regression": Scenario(
        "The canary v2 becomes six times slower in eu-west and fails 8 % of its requests; v1 stays healthy.",
        (Change(20, _CANARY_EU, Effects(slowdown=6, error_rate=0.08)),),
    ),
    "error-burst": Scenario(
        "A third of all requests fails for 45 seconds, then all is well again.",
        (Change(20, _EVERYONE, Effects(error_rate=0.33)), Change(65, _EVERYONE, _HEALTHY)),
    ),
    "slow-burn": Scenario(
        "v1 fails 2 % of its requests for as long as the demo runs: no cliff, but the budget melts.",
        (Change(10, _STABLE, Effects(error_rate=0.02)),),
    ),
    "replica-crash": Scenario(
        "A replica of v1 in eu-west is killed twice and restarts with all counters at zero.",
        (Kill(30, _ONE_STABLE_EU), Kill(150, _ONE_STABLE_EU)),
    ),
    "fleet-down": Scenario(
        "Every replica of v1 in us-east dies and stays dead; its clients go to eu-west.",
        (Kill(30, Scope("v1", "us-east"), stays_dead=True),),
    ),
    "engine-hang": Scenario(
        "A replica of v1 in eu-west answers HTTP, but its engine makes no step: requests pile up, no error is counted.",
        (Change(20, _ONE_STABLE_EU, Effects(frozen=True)),),
    ),
    "gpu-oom": Scenario(
        "GPU memory of the canary in eu-west runs full: preemptions, errors, and then a crash.",
        (
            Change(20, _CANARY_EU, Effects(kv_share=0.045, error_rate=0.05, gpu_memory=0.985)),
            Change(50, _CANARY_EU, Effects(kv_share=0.04, error_rate=0.3, gpu_memory=0.998, xid=31)),
            Kill(80, _CANARY_EU),
            Change(80, _CANARY_EU, _HEALTHY),
        ),
    ),
    "unsafe-outputs": Scenario(
        "The canary v2 puts made-up personal data and insults into a tenth of its answers and invents every fourth "
        "of those that have documents; nothing else is wrong.",
        (Change(10, Scope("v2"), Effects(unsafe_rate=0.1, ungrounded_rate=0.25)),),
    ),
    "cost-surge": Scenario(
        "Answers of v1 get five times longer: nothing fails, but each costs five times as much.",
        (Change(20, _STABLE, Effects(verbosity=5)),),
    ),
    "traffic-drop": Scenario("The clients stop sending: no errors, no latency, no traffic.", (Traffic(30, 0.0),)),
}
