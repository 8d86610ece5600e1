"""What a demo runs."""

from dataclasses import dataclass, field

from concur_proxy.lab.demo.workload import Workload

SMALL_ENGINE = (
    "--capacity-tokens",
    "60000",
    "--prefill-tokens-s",
    "2500",
    "--step-s",
    "0.02",
    "--token-budget",
    "2048",
)
"""A fifth of the default engine, for histories of a fifth: the same pressure with less text to carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """A demo's engine, fleet and gateway."""

    engine: str | None = None
    """URL of a real server to use in the place of the emulated engine."""
    engine_arguments: tuple[str, ...] = SMALL_ENGINE
    """Flags of the emulated engine."""
    law: str = "tokens"
    time_scale: float = 12.0
    """How many times faster than life the emulated engine, the tools and the gateway's clockwork run."""
    workload: Workload = field(default_factory=Workload)
