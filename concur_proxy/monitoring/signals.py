"""What control and admission get from one scrape: the engine's rates, together with what the gate has counted."""

from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.engines.sample import IntervalRates


class SignalMaker:
    """Combines one engine's rates with the counts of its gate, interval by interval."""

    def __init__(self) -> None:
        self._last: GateSnapshot | None = None

    def advance(self, rates: IntervalRates, gate: GateSnapshot) -> CongestionSignal:
        """The signal of the interval that ends now."""
        last, self._last = self._last, gate
        return CongestionSignal(
            now=rates.now,
            kv_usage=rates.kv_usage,
            in_flight=gate.in_flight,
            gauges_are_late=engine_load(rates).is_late(gate.lasting),
            hit_rate=rates.hit_rate,
            preemptions=rates.preemptions,
            running=rates.running,
            waiting=rates.waiting,
            capacity_tokens=rates.capacity_tokens,
            prefilled_tokens=rates.prefilled_tokens,
            prefill_tokens_s=gate.prefill_tokens_s,
            hit_tokens=rates.hit_tokens,
            reloaded_tokens=rates.reloaded_tokens,
            reload_tokens_s=rates.reload_tokens_s,
            promised_tokens=gate.promised_tokens - (last.promised_tokens if last else 0),
            told_tokens=gate.told_tokens - (last.told_tokens if last else 0),
            lost_tokens=gate.lost_tokens - (last.lost_tokens if last else 0),
            answer_s=_mean(gate, last),
            footprint_tokens=gate.footprint_tokens,
            separate_tokens=gate.separate_tokens,
            active_sessions=gate.active,
            queued_sessions=gate.waiting - gate.apart,
            gives_way=gate.gives_way is not None or gate.is_overfull,
        )


def _mean(gate: GateSnapshot, last: GateSnapshot | None) -> float | None:
    tokens = gate.answered_tokens - (last.answered_tokens if last else 0)
    seconds = gate.answering_s - (last.answering_s if last else 0.0)
    return seconds / tokens if tokens else None


def engine_load(rates: IntervalRates, max_model_len: int | None = None) -> EngineLoad:
    """The engine's load at this moment. `max_model_len` is the longest context that it accepts."""
    return EngineLoad(
        running=rates.running,
        waiting=rates.waiting,
        kv_usage=rates.kv_usage,
        capacity_tokens=rates.capacity_tokens,
        prefill_tokens_s=rates.prefill_tokens_s,
        max_model_len=max_model_len,
    )
