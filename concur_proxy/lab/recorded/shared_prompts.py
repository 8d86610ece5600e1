"""Prompts that recorded sessions share, such as a system prompt."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from concur_proxy.lab.recorded.request import RecordedRequest

LEAST_SHARING = 3
"""So many sessions must have found equally many tokens at their first request before these count as a shared prompt."""


class SharedPrompts:
    """Guesses which tokens are a prompt that sessions share, such as a system prompt, from what the engine found in its
    cache at their first requests. Later requests show how much of that stays there because many sessions use it: what
    two sessions have in common by chance is evicted like the rest of their histories.
    """

    def __init__(self, sessions: Iterable[Sequence[RecordedRequest]]) -> None:
        """`sessions` are the requests of each session in the order of their arrival."""
        counts: dict[str, Counter[int]] = {}
        later: dict[tuple[str, int], list[int]] = {}
        for first, *others in sessions:
            if first.cached_tokens is not None:
                counts.setdefault(first.model, Counter())[first.cached_tokens] += 1
                found = (request.cached_tokens for request in others if request.cached_tokens is not None)
                later.setdefault((first.model, first.cached_tokens), []).extend(found)
        self._lengths: dict[str, list[int]] = {}
        self._usual: dict[str, int] = {}
        self._stays = {key: sorted(found)[len(found) // 20] for key, found in later.items() if found}
        """What is found in the cache by all but a twentieth of the later requests."""
        self._ids: dict[tuple[str, int], int] = {}
        for model, found_first in counts.items():
            lengths = sorted(tokens for tokens, count in found_first.items() if tokens and count >= LEAST_SHARING)
            self._lengths[model] = lengths
            if lengths:
                self._usual[model] = max(lengths, key=lambda tokens: found_first[tokens])

    def of(self, first: RecordedRequest) -> tuple[int, int]:
        """The shared tokens of a conversation with this first request, and the number of the shared prompt."""
        cached = first.cached_tokens
        lengths = self._lengths.get(first.model)
        if not lengths or cached is None:
            return 0, 0
        place = bisect_right(lengths, cached)
        # the first session of all finds nothing, but it has the same prompt as the others
        tokens = lengths[place - 1] if place else self._usual[first.model]
        tokens = min(tokens, self._stays.get((first.model, tokens), tokens))
        if not 0 < tokens < first.prompt_tokens:
            return 0, 0
        return tokens, self._ids.setdefault((first.model, tokens), len(self._ids) + 1)
