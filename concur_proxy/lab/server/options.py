"""What an emulated engine can be told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from concur_proxy import plugins
from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineModel, EngineShape

if TYPE_CHECKING:
    from concur_proxy.lab.server.flavour import Flavour

FLAVOURS: "plugins.PluginKind[Callable[[EngineModel, EmulatorOptions, int], Flavour]]" = plugins.PluginKind(
    title="flavour",
    package="concur_proxy.lab.server.flavours",
    signature="build(model: EngineModel, options: EmulatorOptions, rank: int) -> Flavour",
)

_COST = CostModel()
_SHAPE = EngineShape()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """An emulated engine: whose metrics it exports, its size, and what its work costs in its own seconds."""

    flavour: str = field(default="vllm", metadata={"help": "whose metrics it exports: vllm or sglang"})
    model: str = field(default="emulated", metadata={"help": "model name that it serves"})
    capacity_tokens: int = field(default=_SHAPE.capacity_tokens, metadata={"help": "KV cache size in tokens"})
    block_tokens: int = field(default=_SHAPE.block_tokens, metadata={"help": "tokens of a KV block"})
    token_budget: int = field(default=_SHAPE.token_budget, metadata={"help": "tokens computed in a step at most"})
    max_sequences: int = field(default=_SHAPE.max_sequences, metadata={"help": "requests in the batch at most"})
    step_s: float = field(default=_COST.step_s, metadata={"help": "seconds that any step takes"})
    prefill_tokens_s: float = field(
        default=_COST.prefill_tokens_s, metadata={"help": "prompt tokens computed in a second"}
    )
    decode_s: float = field(default=_COST.decode_s, metadata={"help": "further seconds for each sequence that decodes"})
    answer_tokens: int = field(
        default=128, metadata={"help": "length of an answer for which the request names no max_tokens"}
    )
    cached_tokens: bool = field(
        default=True, metadata={"help": "tell in each answer's usage how many prompt tokens the cache held"}
    )
    data_parallel_size: int = field(default=1, metadata={"help": "ranks, each with a cache and a batch of its own"})
    time_scale: float = field(default=1.0, metadata={"help": "how many times faster than life it runs"})

    def __post_init__(self) -> None:
        flavours = plugins.available(FLAVOURS)
        if self.flavour not in flavours:
            raise ValueError(f"--flavour must be one of {', '.join(flavours)}, not {self.flavour!r}")
        if self.time_scale <= 0:
            raise ValueError(f"--time-scale must be more than 0, not {self.time_scale:g}")
        if self.data_parallel_size < 1:
            raise ValueError("--data-parallel-size must be 1 or more")
        if self.answer_tokens < 1:
            raise ValueError("--answer-tokens must be 1 or more")
        if not self.model:
            raise ValueError("--model must not be empty")
        self.shape  # noqa: B018 - the shape and the cost check themselves

    @property
    def shape(self) -> EngineShape:
        """The engine model's size, limits and cost."""
        return EngineShape(
            capacity_tokens=self.capacity_tokens,
            block_tokens=self.block_tokens,
            token_budget=self.token_budget,
            max_sequences=self.max_sequences,
            cost=CostModel(step_s=self.step_s, prefill_tokens_s=self.prefill_tokens_s, decode_s=self.decode_s),
        )
