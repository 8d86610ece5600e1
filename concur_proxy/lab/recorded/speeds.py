"""Estimates an engine's speeds from recorded streams, without a replay.

While a stream's answer is generated, the engine takes a step for each of its tokens. The time is the sum of the steps'
constant parts, of the work for all sequences that decode at that time, and of the prompts that are computed in between.
The recording shows all three, so the three speeds follow by least squares.
"""

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import median

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.recorded.least_squares import Row, least_squares
from concur_proxy.lab.recorded.request import RecordedRequest

LEAST_TOKENS = 8
"""Shorter answers say little about a step."""
LEAST_STREAMS = 15
PASSES = 3
TOO_SLOW = 1.25
"""An answer that is slower than the median by more than this factor does not count."""


def estimate(requests: Sequence[RecordedRequest], chosen: Sequence[RecordedRequest]) -> tuple[CostModel, bool]:
    """The speeds that explain the chosen ones of these requests best, and whether there were enough streams for that. A
    speed that no request shows keeps its default.
    """
    answers = set(map(id, chosen))
    engines: dict[str, list[RecordedRequest]] = {}
    for request in requests:
        if request.first_token_s is not None and request.cached_tokens is not None:
            engines.setdefault(request.engine, []).append(request)
    usual = CostModel()
    numbers = [usual.step_s, usual.decode_s, 1 / usual.prefill_tokens_s]
    for _ in range(PASSES):
        rows = [row for streams in engines.values() for row in _rows(streams, answers, numbers[2])]
        if len(rows) < max(LEAST_STREAMS, len(chosen) // 4):
            return _from_totals(chosen), False
        # an answer that was preempted took longer than its steps
        slowness = [row.right / max(1e-9, row.left(numbers)) for row in rows]
        limit = TOO_SLOW * median(slowness)
        numbers = least_squares([row for row, slow in zip(rows, slowness, strict=True) if slow <= limit], numbers)
    step_s, decode_s, token_s = numbers
    cost = replace(
        usual,
        step_s=max(1e-4, step_s),
        decode_s=max(1e-6, decode_s),
        prefill_tokens_s=min(1e7, 1 / max(token_s, 1e-9)),
    )
    return cost, True


def _from_totals(requests: Iterable[RecordedRequest]) -> CostModel:
    """Without streams: the time for a token that a tenth of the answers beat."""
    usual = CostModel()
    steps_s = sorted(
        (request.duration_s - request.wait_s) / request.completion_tokens
        for request in requests
        if request.completion_tokens > LEAST_TOKENS
    )
    step_s = max(1e-4, steps_s[len(steps_s) // 10]) if steps_s else usual.step_s
    return replace(usual, step_s=step_s, decode_s=step_s / 50)


def _rows(streams: Sequence[RecordedRequest], answers: Container[int], token_s: float) -> Iterator[Row]:
    """A row for each stream whose id is in `answers`: its steps, the sequences that were decoded in them, and the
    prompt tokens that were computed meanwhile. `token_s` is what a prompt token probably takes: a prompt is computed
    just before its answer's first token.
    """
    decoding, prefill = _Amount(), _Amount()
    for request in streams:
        first_at = request.at + (request.first_token_s or 0.0)
        computed = request.prompt_tokens - (request.cached_tokens or 0)
        decoding.add(first_at, request.ended_at, request.ended_at - first_at)
        prefill.add(max(request.at + request.wait_s, first_at - 2 * computed * token_s), first_at, computed)
    decoding.close()
    prefill.close()
    for request in streams:
        first_at, tokens = request.at + (request.first_token_s or 0.0), request.completion_tokens
        span_s = request.ended_at - first_at
        if id(request) in answers and tokens > LEAST_TOKENS and span_s > 0:
            sequences = decoding.between(first_at, request.ended_at) / span_s
            yield Row((tokens, tokens * sequences, prefill.between(first_at, request.ended_at)), span_s)


class _Amount:
    """What happens over time, as the sum of amounts that are spread evenly over spans."""

    def __init__(self) -> None:
        self._changes: list[tuple[float, float]] = []
        self._times: list[float] = []
        self._rates: list[float] = []
        self._sums: list[float] = []

    def add(self, begin: float, end: float, amount: float) -> None:
        """Spread an amount over a span."""
        if end > begin:
            rate = amount / (end - begin)
            self._changes += [(begin, rate), (end, -rate)]

    def close(self) -> None:
        """No amount follows."""
        rate = total = 0.0
        before = None
        for at, change in sorted(self._changes):
            total += 0.0 if before is None else rate * (at - before)
            rate += change
            before = at
            self._times.append(at)
            self._rates.append(rate)
            self._sums.append(total)

    def between(self, begin: float, end: float) -> float:
        """The amount of this span."""
        return self._until(end) - self._until(begin)

    def _until(self, at: float) -> float:
        place = bisect_right(self._times, at) - 1
        return 0.0 if place < 0 else self._sums[place] + self._rates[place] * (at - self._times[place])
