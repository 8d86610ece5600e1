"""Compares the reported size of a server's KV cache with the setting, and with the prompts that the server accepts."""

from collections.abc import Sequence

from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.engines.capacity import CapacityCheck, CapacitySource
from concur_proxy.engines.sample import EngineSample


def examine_capacity(
    url: str, samples: Sequence[EngineSample], *, set_tokens: int | None, longest: int | None
) -> list[Finding]:
    """One finding if the gateway will not use the reported size of an engine's cache.

    `samples` has one for each engine, all alike. `set_tokens` is the setting `capacity_tokens`, and `longest` the
    longest prompt that the server accepts.
    """
    sample = samples[0]
    capacity = CapacityCheck(set_tokens).judge(
        sample.capacity_tokens,
        is_derived=sample.capacity_is_derived,
        most_tokens=longest,
        ranks=sample.ranks,
    )
    if not capacity.differs:
        return []
    said = f"its metrics say that its cache holds {capacity.reported} tokens"
    if capacity.source is CapacitySource.SET:
        message = f"{said}; the gateway uses {capacity.tokens}, as capacity_tokens sets it"
        return [Finding(subject=url, severity=Severity.OK, code="capacity_set", message=message)]
    message = f"{said}, but it accepts prompts of {longest}; the gateway uses {capacity.tokens} until it has seen more"
    fix = "set capacity_tokens to the size in the server's log (vLLM: GPU KV cache size)"
    return [Finding(subject=url, severity=Severity.WARNING, code="capacity_misreported", message=message, fix=fix)]
