"""What vllm-router wants to be told about an engine: its cache and seven coefficients."""

from dataclasses import dataclass

from concur_proxy.lab.server.options import EmulatorOptions

BATCH = 24
"""Requests in a batch, for the share of decoding that is left while prompts are computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The figures of one engine. Times are in seconds."""

    capacity_tokens: int
    prefill_s: float
    """Constant part of computing a prompt."""
    prefill_s_per_1k: float
    decode_alpha: float
    """Share of the decoding speed that is left while prompts are computed."""
    step_s: float
    """Constant part of a step that decodes."""
    step_s_per_request: float

    @classmethod
    def of_emulated(cls, engine: EmulatorOptions) -> "Calibration":
        """Exact figures, from the cost model: prompts are computed in steps of up to `token_budget` tokens."""
        decoding_s = engine.step_s + BATCH * engine.decode_s
        return cls(
            capacity_tokens=engine.capacity_tokens,
            prefill_s=engine.step_s,
            prefill_s_per_1k=1_000 / engine.prefill_tokens_s + engine.step_s * 1_000 / engine.token_budget,
            decode_alpha=decoding_s / (decoding_s + engine.token_budget / engine.prefill_tokens_s),
            step_s=engine.step_s,
            step_s_per_request=engine.decode_s,
        )

    def config(self) -> dict[str, object]:
        """The fields of vllm-router's program scheduling. The two that are 0 are so in the emulated engine."""
        return {
            "token_capacity_per_target": self.capacity_tokens,
            "prefill_cost_model": {
                "intercept_seconds": self.prefill_s,
                "linear_seconds_per_1k_tokens": self.prefill_s_per_1k,
                "quadratic_seconds_per_1k_tokens_squared": 0.0,
                "decode_throughput_alpha": self.decode_alpha,
            },
            "decode_throughput_model": {
                "fixed_step_seconds": self.step_s,
                "batch_step_seconds_per_request": self.step_s_per_request,
                "context_step_seconds_per_token": 0.0,
            },
        }
