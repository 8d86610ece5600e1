"""The settings of a demo."""

from dataclasses import dataclass, field, fields

from concur_proxy.lab.demo.workload import EVERY_KIND, Workload
from concur_proxy.lab.server.options import EmulatorOptions

SMALL_ENGINE = EmulatorOptions(capacity_tokens=60_000, prefill_tokens_s=2500.0, step_s=0.02, token_budget=2048)
"""A fifth of the default engine, for histories of a fifth of the length: the same pressure with less text to send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """A demo's engine, fleet and gateway."""

    engine: str | None = None
    """URL of a real server to use instead of the emulated engine."""
    emulated: EmulatorOptions = SMALL_ENGINE
    law: str = "tokens"
    time_scale: float = 12.0
    """How much the emulated engine, the tools and the gateway's scrapes are sped up. The demo lowers it on a machine
    that does not keep up.
    """
    workload: Workload = field(default_factory=lambda: Workload(agents=56, kinds=EVERY_KIND))


def engine_flags(options: EmulatorOptions) -> tuple[str, ...]:
    """The flags with which `concur-proxy engine` emulates this engine."""
    default = EmulatorOptions()
    flags: list[str] = []
    for name in (each.name for each in fields(EmulatorOptions)):
        value = getattr(options, name)
        if value != getattr(default, name):
            flag = name.replace("_", "-")
            flags += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return tuple(flags)
