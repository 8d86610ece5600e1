"""What holds for every dialect: a new file in `engines/dialects` with its capture is tested by being there."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy import plugins
from concur_proxy.engines.dialect import EngineDialect
from concur_proxy.engines.exposition import Exposition, Series, read_exposition
from concur_proxy.engines.rates import SignalRates
from concur_proxy.engines.sample import EngineSample
from tests.captures import capture
from tests.contracts.added_plugin import added_plugin

KINDS = plugins.ENGINE_KINDS
NAMES = plugins.available(KINDS)
SIGNALS = ("kv_usage", "running", "waiting", "capacity_tokens", "prefix_queries", "prefix_hits", "preemptions")


def load(name: str) -> EngineDialect:
    return plugins.load(KINDS, name)()


@pytest.fixture(params=NAMES)
def dialect(request: pytest.FixtureRequest) -> EngineDialect:
    return load(request.param)


def exposition(dialect: EngineDialect, text: str) -> Exposition:
    return read_exposition(text, dialect.wants)


def set_signals(sample: EngineSample) -> set[str]:
    return {name for name in SIGNALS if getattr(sample, name) is not None}


def test_its_name_is_its_modules(dialect: EngineDialect) -> None:
    assert dialect.name in NAMES
    assert load(dialect.name).name == dialect.name


def test_it_recognises_its_own_engine_and_no_other(dialect: EngineDialect) -> None:
    for name in NAMES:
        text = capture(name)
        assert dialect.recognises(exposition(dialect, text)) == (name == dialect.name)
        seen_by_all = read_exposition(text, lambda sample: any(load(other).wants(sample) for other in NAMES))
        assert dialect.recognises(seen_by_all) == (name == dialect.name)


def test_it_recognises_nothing_in_nothing(dialect: EngineDialect) -> None:
    for text in ("", "<html>404</html>", '{"detail": "Not Found"}', "process_start_time_seconds 1.7e9\nup 1\n"):
        assert not dialect.recognises(exposition(dialect, text))


def test_its_capture_tells_every_signal(dialect: EngineDialect) -> None:
    sample = dialect.read(exposition(dialect, capture(dialect.name)), at=3.25)
    assert set_signals(sample) == set(SIGNALS)
    assert (sample.at, sample.dialect) == (3.25, dialect.name)
    assert sample.kv_usage is not None
    assert 0 <= sample.kv_usage <= 1
    assert sample.capacity_tokens is not None
    assert sample.capacity_tokens > 0
    assert sample.ranks == 1


def test_it_wants_a_small_part_of_its_capture(dialect: EngineDialect) -> None:
    text = capture(dialect.name)
    assert sum(map(len, exposition(dialect, text).series.values())) < len(text.splitlines()) / 10


def test_what_is_missing_is_unknown_and_not_zero(dialect: EngineDialect) -> None:
    # Preemptions are a counter that some engines export from its first event on.
    assert set_signals(dialect.read(Exposition(), at=1.0)) <= {"preemptions"}
    for name, series in exposition(dialect, capture(dialect.name)).series.items():
        alone = set_signals(dialect.read(Exposition(series={name: series}), at=1.0)) - {"preemptions"}
        assert len(alone) <= 1 or alone == {"prefix_queries", "prefix_hits"}


def test_a_lifetime_in_one_capture_is_no_rate(dialect: EngineDialect) -> None:
    rates, sample = SignalRates(), dialect.read(exposition(dialect, capture(dialect.name)), at=1.0)
    assert rates.advance(sample).hit_rate is None
    assert rates.advance(sample).hit_rate is None  # nothing was looked up in between


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
def test_whatever_an_engine_exports_is_read_without_an_error(name: str, data: st.DataObject) -> None:
    dialect = load(name)
    whole = exposition(dialect, capture(name))
    values = st.floats(0, 1e15)
    labels = st.dictionaries(
        st.sampled_from(
            ["engine", "dp_rank", "tp_rank", "mode", "num_gpu_blocks", "block_size", "kv_cache_size_tokens"]
        ),
        st.sampled_from(["", "0", "1", "-1", "16", "None", "input", "1e3", "¾", "9" * 30]),
        max_size=4,
    )
    series = st.builds(lambda labels, value: Series(labels=labels, value=value), labels, values)
    drawn = data.draw(st.dictionaries(st.sampled_from(sorted(whole.series)), st.lists(series, max_size=4)))
    sample = dialect.read(Exposition(series=drawn), at=1.0)
    assert sample.capacity_tokens is None or sample.capacity_tokens > 0
    assert sample.ranks >= 1


@settings(max_examples=60)
@given(text=st.text(st.characters(codec="utf-8"), max_size=200), cut=st.integers(0, 20_000))
@pytest.mark.parametrize("name", NAMES)
def test_a_torn_exposition_is_read_as_far_as_it_goes(name: str, text: str, cut: int) -> None:
    dialect = load(name)
    torn = dialect.read(exposition(dialect, capture(name)[-cut:] + text), at=1.0)
    whole = dialect.read(exposition(dialect, capture(name)), at=1.0)
    assert torn.capacity_tokens in {None, whole.capacity_tokens}
    assert torn.prefix_queries in {None, whole.prefix_queries}


TGI = """
from concur_proxy.engines.exposition import Exposition
from concur_proxy.engines.sample import EngineSample


class Tgi:
    name = "tgi"

    def wants(self, sample_name: str) -> bool:
        return sample_name == "tgi_queue_size"

    def recognises(self, exposition: Exposition) -> bool:
        return "tgi_queue_size" in exposition.series

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        return EngineSample(at=at, dialect="tgi", waiting=int(exposition.series["tgi_queue_size"][0].value))


def build() -> Tgi:
    return Tgi()
"""


def test_a_new_engine_kind_is_one_new_file(tmp_path: Path) -> None:
    with added_plugin(KINDS.package, "tgi", TGI, tmp_path):
        assert "tgi" in plugins.available(KINDS)
        dialect = load("tgi")
        sample = dialect.read(exposition(dialect, "tgi_queue_size 4"), at=1.0)
    assert (sample.dialect, sample.waiting, sample.running) == ("tgi", 4, None)
