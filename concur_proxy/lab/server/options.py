"""The options of an emulated engine."""

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
    """An emulated engine: whose metrics it exports, its size, and how long its work takes in the engine's seconds."""

    flavour: str = field(default="vllm", metadata={"help": "whose metrics it exports: vllm or sglang"})
    model: str = field(default="emulated", metadata={"help": "name of the model that it serves"})
    any_model: bool = field(
        default=False, metadata={"help": "answer requests for any model name, and not only for --model"}
    )
    capacity_tokens: int = field(default=_SHAPE.capacity_tokens, metadata={"help": "KV cache size in tokens"})
    block_tokens: int = field(default=_SHAPE.block_tokens, metadata={"help": "tokens per KV block"})
    token_budget: int = field(default=_SHAPE.token_budget, metadata={"help": "maximum tokens computed in one step"})
    max_sequences: int = field(default=_SHAPE.max_sequences, metadata={"help": "maximum requests in the batch"})
    step_s: float = field(default=_COST.step_s, metadata={"help": "constant part of every step, in seconds"})
    prefill_tokens_s: float = field(
        default=_COST.prefill_tokens_s, metadata={"help": "prompt tokens computed per second"}
    )
    decode_s: float = field(
        default=_COST.decode_s, metadata={"help": "additional seconds per sequence that decodes in a step"}
    )
    answer_tokens: int = field(default=128, metadata={"help": "length of an answer if the request has no max_tokens"})
    tool_turns: int = field(
        default=0,
        metadata={"help": "answers in a row that call a tool, if the request offers tools; then comes a text"},
    )
    cached_tokens: bool = field(
        default=True, metadata={"help": "report the cached prompt tokens in each answer's usage"}
    )
    data_parallel_size: int = field(
        default=1, metadata={"help": "number of data-parallel ranks, each with its own cache and batch"}
    )
    time_scale: float = field(default=1.0, metadata={"help": "how much the engine is sped up"})

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
        if self.tool_turns < 0:
            raise ValueError("--tool-turns must be 0 or more")
        if not self.model:
            raise ValueError("--model must not be empty")
        self.shape  # noqa: B018 - builds the shape and the cost, which check their values

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
