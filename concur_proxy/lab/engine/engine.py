"""The engine's scheduler: decides which requests compute what in the next step."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.host_tier import HostTier
from concur_proxy.lab.engine.prefix_cache import PrefixCache
from concur_proxy.lab.engine.request import EngineRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineShape:
    """An engine's size and limits."""

    capacity_tokens: int = 300_000
    """KV cache, in tokens."""
    block_tokens: int = 16
    """Tokens per block. Only whole blocks are shared."""
    token_budget: int = 8192
    """Maximum tokens computed in one step (vLLM: --max-num-batched-tokens)."""
    max_sequences: int = 256
    """Maximum requests in the batch (vLLM: --max-num-seqs)."""
    host_tokens: int = 0
    """Size of a second KV cache in host memory, which keeps evicted blocks, in tokens; 0: there is no such cache."""
    cost: CostModel = CostModel()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.block_tokens < 1 or self.token_budget < 1 or self.max_sequences < 1:
            raise ValueError("block_tokens, token_budget and max_sequences must be 1 or more")
        if self.host_tokens < 0:
            raise ValueError("host_tokens must be 0 or more")
        if self.capacity_tokens < 2 * self.block_tokens:
            raise ValueError(f"capacity_tokens must be at least two blocks, {2 * self.block_tokens}")

    @property
    def blocks(self) -> int:
        """Size of the cache in blocks."""
        return self.capacity_tokens // self.block_tokens

    def fits(self, tokens: int) -> bool:
        """Whether the cache can hold a whole sequence of this length."""
        return -(-tokens // self.block_tokens) <= self.blocks


@dataclass(slots=True, kw_only=True)
class EngineCounters:
    """Totals since the start, as engines export them."""

    prefix_queries: int = 0
    """Prompt tokens looked up in the cache. A request counts when it first enters the batch."""
    prefix_hits: int = 0
    """Prompt tokens found in the cache."""
    loaded: int = 0
    """Prompt tokens loaded from host memory."""
    prefilled: int = 0
    """Tokens computed by prefill, including recomputed ones."""
    generated: int = 0
    finished: int = 0
    aborted: int = 0
    preemptions: int = 0


class EngineModel:
    """Continuous batching with chunked prefill.

    Every step decodes one token for each request in the batch and spends the rest of its token budget on prompts. If
    the cache is too small, the newest request is preempted; later it computes again what was evicted.

    To drive it, call `begin_step`, let the returned time pass, and call `end_step`. `add` and `abort` may be called at
    any time; an abort takes the request out of the current step, which keeps its duration.
    """

    def __init__(self, shape: EngineShape) -> None:
        self.shape = shape
        self.cache = PrefixCache(shape.blocks)
        self.counters = EngineCounters()
        self._host = HostTier(shape.host_tokens // shape.block_tokens) if shape.host_tokens else None
        self._loaded = 0
        """Tokens that the current step loads from host memory."""
        self._waiting: deque[EngineRequest] = deque()
        self._running: list[EngineRequest] = []
        self._planned: list[tuple[EngineRequest, int, bool]] = []
        """The current step: each request, the number of tokens to compute, and whether they are prefill."""

    @property
    def running(self) -> int:
        """Requests in the batch."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that wait for the batch."""
        return len(self._waiting)

    @property
    def kv_usage(self) -> float:
        """Share of blocks that requests in the batch use. Cached blocks that no request uses count as free."""
        return self.cache.used / self.cache.blocks

    def add(self, request: EngineRequest) -> None:
        """Add a request to the queue. Raises `ValueError` if it can never fit into the cache."""
        if not self.shape.fits(request.prompt_tokens + request.output_tokens):
            raise ValueError(
                f"{request.prompt_tokens} prompt and {request.output_tokens} answer tokens exceed the engine's "
                f"{self.shape.capacity_tokens}"
            )
        self._waiting.append(request)

    def abort(self, request: EngineRequest) -> None:
        """Drop a request because its client has left. Does nothing if the request has ended."""
        if request in self._waiting:
            self._waiting.remove(request)
        elif request in self._running:
            self._running.remove(request)
            self._planned = [planned for planned in self._planned if planned[0] is not request]
            self._leave(request)
        else:
            return
        self.counters.aborted += 1

    def begin_step(self) -> float | None:
        """Plan the next step; returns its duration in seconds, or None if there is nothing to compute."""
        preempted = self.counters.preemptions
        self._loaded = 0
        budget = self._plan_running(self.shape.token_budget)
        if self.counters.preemptions == preempted:
            self._plan_waiting(budget)
        if not self._planned:
            return None
        prefill = [tokens for _, tokens, is_prefilling in self._planned if is_prefilling]
        decoding = len(self._planned) - len(prefill)
        return self.shape.cost.duration_s(prefill_tokens=sum(prefill), decoding=decoding, loaded_tokens=self._loaded)

    def end_step(self) -> Sequence[EngineRequest]:
        """Finish the step; returns the requests that got a token. Finished requests have left the batch."""
        planned, self._planned = self._planned, []
        grown: list[EngineRequest] = []
        for request, tokens, is_prefilling in planned:
            if is_prefilling:
                self.counters.prefilled += tokens
            request.computed += tokens
            if request.computed == request.prompt_tokens + request.generated:
                self._grow(request)
                grown.append(request)
        return grown

    def _plan_running(self, budget: int) -> int:
        # A simulation spends most of its time here, once per token and request, so known_tokens is written out.
        at, block = 0, self.shape.block_tokens
        while at < len(self._running):
            request = self._running[at]
            computed = request.computed
            missing = request.prompt_tokens + request.generated - computed
            tokens = min(missing, budget)
            if tokens == 0:
                break
            held = (request.pinned_blocks + request.private_blocks) * block
            if computed + tokens > held and not self._hold_blocks(request, computed + tokens):
                # the newest request is preempted; if it is this one, the loop ends
                self._preempt(self._running[-1])
                continue
            self._planned.append((request, tokens, missing > 1 or request.generated == 0))
            budget -= tokens
            at += 1
        return budget

    def _plan_waiting(self, budget: int) -> None:
        while budget > 0 and self._waiting and len(self._running) < self.shape.max_sequences:
            request = self._waiting[0]
            if not self._enter(request):
                return
            self._waiting.popleft()
            self._running.append(request)
            tokens = min(request.known_tokens - request.computed, budget)
            self._planned.append((request, tokens, request.is_prefilling))
            budget -= tokens

    def _enter(self, request: EngineRequest) -> bool:
        """Pin the request's cached prefix and take blocks for the rest; False if they do not all fit, as in vLLM."""
        block = self.shape.block_tokens
        # the last known token is always computed, because its output is the next token
        keys = request.keys[: (request.known_tokens - 1) // block]
        node, matched = self.cache.match(keys)
        missing = -(-request.known_tokens // block) - matched
        if missing > self.cache.room_beside(node):
            return False
        self.cache.pin(node)
        self.cache.take(missing)
        request.node, request.pinned_blocks, request.private_blocks = node, matched, missing
        loaded = 0 if self._host is None else max(0, self._host.find(keys) - matched) * block
        self._loaded += loaded
        self.counters.loaded += loaded
        request.computed = matched * block + loaded
        if request.cached_tokens is None:
            request.cached_tokens = request.computed
            self.counters.prefix_queries += request.prompt_tokens
            self.counters.prefix_hits += matched * block
        return True

    def _hold_blocks(self, request: EngineRequest, tokens: int) -> bool:
        missing = -(-tokens // self.shape.block_tokens) - request.pinned_blocks - request.private_blocks
        if missing <= 0:
            return True
        if not self.cache.take(missing):
            return False
        request.private_blocks += missing
        return True

    def _grow(self, request: EngineRequest) -> None:
        """A token was generated."""
        if request.generated == 0:
            self._store(request)
        request.generated += 1
        self.counters.generated += 1
        if request.is_finished:
            self._running.remove(request)
            self._leave(request)
            self.counters.finished += 1

    def _store(self, request: EngineRequest) -> None:
        """Move the computed whole blocks into the tree, where other requests can use them."""
        node = request.node
        if node is None:
            raise RuntimeError("the request is not in the batch")
        whole = min(request.computed // self.shape.block_tokens, len(request.keys))
        keys = request.keys[request.pinned_blocks : whole]
        if keys:
            request.node = self.cache.store(node, keys)
            request.pinned_blocks += len(keys)
            request.private_blocks -= len(keys)

    def _leave(self, request: EngineRequest) -> None:
        """Take a request out of the batch. Its whole blocks stay cached, the others become free."""
        self._store(request)
        if self._host is not None:
            self._host.keep(request.keys[: request.pinned_blocks])
        self.cache.give_back(request.private_blocks)
        if request.node is not None:
            self.cache.unpin(request.node)
        request.node, request.private_blocks, request.pinned_blocks = None, 0, 0

    def _preempt(self, request: EngineRequest) -> None:
        self._running.remove(request)
        self._leave(request)
        request.computed = 0
        self._waiting.appendleft(request)
        self.counters.preemptions += 1
