"""Estimates an engine's speeds from answers that were computed together with unknown others, as by a hosted service.

The time of an answer is a constant, which is network and queues, and the time for each of its tokens and for each token
of the prompt that was new in its conversation. The constant is no work of the engine and is left out of the replay.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.recorded.least_squares import Row, least_deviations
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.simulation.content import Content

LEAST_ANSWERS = 20
LEAST_TOKENS = 8
"""Shorter answers say little about a token."""
DECODE_PART = 50
"""The constant part of a step takes so many times as long as one more sequence in it. Single answers do not show it."""
LEAST_TOKEN_S = 1e-6
"""A prompt token that seems to take less is not visible in the recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """The speeds with which single answers take as long as they were recorded."""

    cost: CostModel
    errors: Sequence[float]
    """The relative error of each answer's duration, in ascending order."""
    model: str
    """The model that gave these answers: the most frequent one."""
    outside_s: float
    """The time of each answer that the engine's work does not explain."""
    shows_prefill: bool
    """Whether the recording shows what prompt tokens take. Otherwise their speed is the default one."""


def estimate_alone(requests: Sequence[RecordedRequest]) -> Alone | None:
    """The speeds, or None if too few durations were recorded."""
    timed = [request for request in requests if request.is_timed]
    models = Counter(request.model for request in timed)
    if not models:
        return None
    model = models.most_common(1)[0][0]
    rows = [
        Row((1.0, float(request.completion_tokens), float(computed)), request.duration_s - request.wait_s)
        for request, computed in _computed(requests)
        if request.is_timed
        and request.model == model
        and request.completion_tokens >= LEAST_TOKENS
        and request.duration_s > request.wait_s
    ]
    if len(rows) < LEAST_ANSWERS:
        return None
    usual = CostModel()
    outside_s, answer_s, prompt_s = least_deviations(rows, (0.0, usual.step_s, 1 / usual.prefill_tokens_s))
    decode_s = max(1e-6, answer_s / (DECODE_PART + 1))
    shows_prefill = prompt_s >= LEAST_TOKEN_S
    cost = CostModel(
        step_s=max(1e-4, answer_s - decode_s),
        decode_s=decode_s,
        prefill_tokens_s=1 / prompt_s if shows_prefill else usual.prefill_tokens_s,
    )
    return Alone(
        cost=cost,
        errors=sorted(row.error((outside_s, answer_s, prompt_s)) for row in rows),
        model=model,
        outside_s=outside_s,
        shows_prefill=shows_prefill,
    )


def _computed(requests: Sequence[RecordedRequest]) -> Iterator[tuple[RecordedRequest, int]]:
    """Each request, and the tokens of its prompt that are new in its conversation."""
    before: dict[tuple[str, str], Content] = {}
    for request in sorted(requests, key=lambda request: request.at):
        content, conversation = request.content, (request.session, request.member)
        if content is None:
            continue
        known = content.common_tokens(before[conversation]) if conversation in before else 0
        before[conversation] = content
        yield request, max(1, request.prompt_tokens - known)
