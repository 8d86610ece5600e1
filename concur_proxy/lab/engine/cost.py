"""The cost model: how long an engine's steps take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """The time of a step is the sum of a constant, its prefill work, its decode work and its loads from host memory.

    The defaults describe a model of 32 billion parameters on one accelerator: about 11,000 prefill tokens per second,
    and 22 ms for a step with a few dozen sequences.
    """

    step_s: float = 0.014
    """Constant part of every step, in seconds: kernel launches, scheduling, reading the weights."""
    prefill_tokens_s: float = 11_000.0
    """Prompt tokens computed per second, without the constant part."""
    decode_s: float = 0.00025
    """Seconds per sequence that decodes in the step."""
    load_tokens_s: float = 100_000.0
    """Tokens of KV cache loaded from host memory per second: 256 KiB per token over about 26 GB/s."""

    def __post_init__(self) -> None:
        if min(self.step_s, self.prefill_tokens_s, self.load_tokens_s) <= 0 or self.decode_s < 0:
            raise ValueError("step_s, prefill_tokens_s and load_tokens_s must be more than 0, decode_s 0 or more")

    def duration_s(self, *, prefill_tokens: int, decoding: int, loaded_tokens: int = 0) -> float:
        """Seconds for a step that computes `prefill_tokens` of prompts, decodes one token for each of `decoding`
        sequences, and loads `loaded_tokens` from host memory.
        """
        computing_s = self.step_s + prefill_tokens / self.prefill_tokens_s + decoding * self.decode_s
        return computing_s + loaded_tokens / self.load_tokens_s
