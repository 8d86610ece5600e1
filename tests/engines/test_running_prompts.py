from concur_proxy.engines.running_prompts import RANK, READINGS_KEPT, RunningPrompts
from concur_proxy.engines.sample import IntervalRates

REAL = 150_000


class Engine:
    """Reads the metrics once a second while requests run, and ends them all."""

    def __init__(self) -> None:
        self.prompts = RunningPrompts()
        self._now = 0.0

    def run(self, *prompts: int, cached: int | None = None, union: float = 1.0, late: int = 0) -> float:
        """Returns the bound after these prompts, which fill `cached` tokens. The first tokens of `late` of them come
        after the reading.
        """
        share = (sum(prompts) if cached is None else cached) / REAL
        self._now += 1.0
        rates = IntervalRates(now=self._now, kv_usage=share, running=len(prompts), waiting=3)
        self.prompts.read(rates, union=union)
        for index, tokens in enumerate(prompts):
            self.prompts.ended(tokens, first_token_at=self._now + (0.1 if index < late else -0.1))
        return round(self.prompts.least_tokens)


def test_all_running_prompts_and_the_usage_show_the_size() -> None:
    assert Engine().run(4_000, 9_000, 20_000) == REAL


def test_a_prompt_that_was_still_computed_does_not_count() -> None:
    assert Engine().run(4_000, 9_000, 20_000, late=1) == round(REAL * 29 / 33)


def test_more_prompts_than_ran_do_not_count() -> None:
    engine = Engine()
    engine.run(4_000)
    engine.prompts.ended(4_000, first_token_at=0.5)
    assert round(engine.prompts.least_tokens) == REAL


def test_what_is_shared_counts_once() -> None:
    # 10 sessions are active, 4 run: 5,000 tokens shared by all, 1,000 of each one's own
    engine, union = Engine(), (5_000 + 10 * 1_000) / (10 * 6_000)
    assert REAL / 2 < engine.run(*[6_000] * 4, cached=5_000 + 4 * 1_000, union=union) < REAL


def test_a_size_that_was_seen_is_kept_when_few_run() -> None:
    engine = Engine()
    for _ in range(RANK):
        assert engine.run(*[9_000] * 15) == REAL
    for _ in range(2 * READINGS_KEPT):
        assert engine.run(500, cached=15_000) == REAL, "others fill the cache"


def test_a_wrong_bound_now_and_then_does_not_count() -> None:
    engine = Engine()
    for number in range(4 * READINGS_KEPT):
        bound = engine.run(9_000, cached=300 if number % (READINGS_KEPT // 2) == 1 else None)
    assert bound == REAL


def test_too_few_tokens_and_an_empty_engine_show_nothing() -> None:
    engine = Engine()
    assert engine.run(200) == 0
    assert engine.run(4_000, cached=0) == 0
    engine.prompts.ended(4_000, first_token_at=0.0)
    assert engine.prompts.least_tokens == 0
