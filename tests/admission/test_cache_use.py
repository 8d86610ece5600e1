"""What an engine's cache did, in tokens."""

import pytest

from concur_proxy.admission.cache_use import CacheUse


@pytest.mark.parametrize(
    ("prompt", "cached", "common", "last", "returning", "recomputed"),
    [
        (1000, 0, 0, None, 0, 0),  # the first prompt of a conversation
        (2000, 1500, 1500, 1400, 1500, 0),  # everything was still there
        (2000, 0, 1500, 1400, 1500, 1500),  # everything was lost
        (2000, 500, 1500, 1400, 1500, 1000),
        (2000, 1392, 1500, 1400, 1392, 0),  # the answer came back without its reasoning
        (300, 0, 1500, 1400, 300, 300),  # more than the prompt cannot be computed again
    ],
)
def test_what_came_back_and_what_was_computed_again(
    prompt: int, cached: int, common: int, last: int | None, returning: int, recomputed: int
) -> None:
    use = CacheUse()
    use.count(prompt=prompt, cached=cached, common=common, last_prompt=last)
    assert (use.answers, use.cached_tokens) == (1, cached)
    assert (use.returning_tokens, use.recomputed_tokens) == (returning, recomputed)
