"""How long an engine's steps take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """The time of one step: a constant, plus its prefill work, plus its decode work.

    The defaults are those of a 32-billion-parameter model on one accelerator: about 11,000 prefill tokens a second and
    22 ms for a step of a few dozen sequences.
    """

    step_s: float = 0.014
    """Seconds that any step takes: kernel launches, scheduling, reading the weights."""
    prefill_tokens_s: float = 11_000.0
    """Prompt tokens computed in a second, the constant left out."""
    decode_s: float = 0.00025
    """Seconds for each sequence that decodes in the step."""
    load_tokens_s: float = 100_000.0
    """Tokens of KV cache that come back from host memory in a second: 256 KiB a token over some 26 GB/s."""

    def __post_init__(self) -> None:
        if min(self.step_s, self.prefill_tokens_s, self.load_tokens_s) <= 0 or self.decode_s < 0:
            raise ValueError("step_s, prefill_tokens_s and load_tokens_s must be more than 0, decode_s 0 or more")

    def duration_s(self, *, prefill_tokens: int, decoding: int, loaded_tokens: int = 0) -> float:
        """Seconds for a step that computes `prefill_tokens` of prompts and one token for `decoding` sequences, and
        waits for `loaded_tokens` from host memory.
        """
        computing_s = self.step_s + prefill_tokens / self.prefill_tokens_s + decoding * self.decode_s
        return computing_s + loaded_tokens / self.load_tokens_s
