"""The contract of every engine kind, from a folder in `engines/kinds` or an entry point; each needs a capture."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy import plugins
from concur_proxy.engines.exposition import Exposition, Series, read_exposition
from concur_proxy.engines.kind import EngineKind, EnginePaths, KnownKinds
from concur_proxy.engines.sample import REQUIRED_SIGNALS, SIGNALS, EngineSample, SignalRates
from tests.captures import capture
from tests.contracts.added_plugin import added_plugin

KINDS = plugins.ENGINE_KINDS
NAMES = plugins.available(KINDS)


def load(name: str) -> EngineKind:
    return plugins.load(KINDS, name)()


@pytest.fixture(params=NAMES)
def kind(request: pytest.FixtureRequest) -> EngineKind:
    return load(request.param)


def exposition(kind: EngineKind, text: str) -> Exposition:
    return read_exposition(text, kind.wants)


def set_signals(sample: EngineSample) -> set[str]:
    """The signals that a sample has."""
    return {name for name in SIGNALS if getattr(sample, name) is not None}


def test_its_name_is_its_modules(kind: EngineKind) -> None:
    assert kind.name in NAMES
    assert load(kind.name).name == kind.name


def test_it_recognises_its_own_engine_and_no_other(kind: EngineKind) -> None:
    for name in NAMES:
        text = capture(name)
        assert kind.recognises(exposition(kind, text)) == (name == kind.name)
        seen_by_all = read_exposition(text, lambda sample: any(load(other).wants(sample) for other in NAMES))
        assert kind.recognises(seen_by_all) == (name == kind.name)


def test_it_recognises_nothing_in_nothing(kind: EngineKind) -> None:
    for text in ("", "<html>404</html>", '{"detail": "Not Found"}', "process_start_time_seconds 1.7e9\nup 1\n"):
        assert not kind.recognises(exposition(kind, text))


def test_its_capture_has_the_required_signals_and_each_other_one_that_it_does_not_declare_missing(
    kind: EngineKind,
) -> None:
    sample = kind.read(exposition(kind, capture(kind.name)), at=3.25)
    assert set_signals(sample) >= set(REQUIRED_SIGNALS)
    assert set_signals(sample) == set(SIGNALS) - kind.not_reported
    assert kind.not_reported.isdisjoint(REQUIRED_SIGNALS)
    assert (sample.at, sample.kind) == (3.25, kind.name)
    assert sample.kv_usage is not None
    assert 0 <= sample.kv_usage <= 1
    assert sample.capacity_tokens is None or sample.capacity_tokens > 0
    assert sample.ranks == 1


def test_it_wants_a_small_part_of_its_capture(kind: EngineKind) -> None:
    text = capture(kind.name)
    wanted = sum(map(len, exposition(kind, text).series.values()))
    assert wanted < max(len(text.splitlines()) / 10, 12), "see `read_exposition`: a kind wants a dozen"


def test_what_is_missing_is_unknown_and_not_zero(kind: EngineKind) -> None:
    # some engines export these counters only after their first event
    late = {"preemptions", "evicted_tokens"}
    assert set_signals(kind.read(Exposition(), at=1.0)) <= late
    for name, series in exposition(kind, capture(kind.name)).series.items():
        alone = set_signals(kind.read(Exposition(series={name: series}), at=1.0)) - late
        assert len(alone) <= 1 or alone == {"prefix_queries", "prefix_hits"}


def test_a_lifetime_in_one_capture_is_no_rate(kind: EngineKind) -> None:
    rates, sample = SignalRates(), kind.read(exposition(kind, capture(kind.name)), at=1.0)
    assert rates.advance(sample).hit_rate is None
    assert rates.advance(sample).hit_rate is None  # nothing was looked up in between


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
def test_whatever_an_engine_exports_is_read_without_an_error(name: str, data: st.DataObject) -> None:
    kind = load(name)
    whole = exposition(kind, capture(name))
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
    sample = kind.read(Exposition(series=drawn), at=1.0)
    assert sample.capacity_tokens is None or sample.capacity_tokens > 0
    assert sample.ranks >= 1


@settings(max_examples=60)
@given(text=st.text(st.characters(codec="utf-8"), max_size=200), cut=st.integers(0, 20_000))
@pytest.mark.parametrize("name", NAMES)
def test_a_torn_exposition_is_read_as_far_as_it_goes(name: str, text: str, cut: int) -> None:
    kind = load(name)
    torn = kind.read(exposition(kind, capture(name)[-cut:] + text), at=1.0)
    whole = kind.read(exposition(kind, capture(name)), at=1.0)
    assert torn.capacity_tokens in {None, whole.capacity_tokens}
    assert torn.prefix_queries in {None, whole.prefix_queries}


TGI = """
from concur_proxy.engines.exposition import Exposition
from concur_proxy.engines.kind import EngineKind
from concur_proxy.engines.sample import EngineSample


class Tgi(EngineKind):
    name = "tgi"

    def wants(self, sample_name: str) -> bool:
        return sample_name == "tgi_queue_size"

    def recognises(self, exposition: Exposition) -> bool:
        return "tgi_queue_size" in exposition.series

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        return EngineSample(at=at, kind="tgi", waiting=int(exposition.series["tgi_queue_size"][0].value))


def build() -> Tgi:
    return Tgi()
"""


def test_a_new_engine_kind_is_one_new_file(tmp_path: Path) -> None:
    with added_plugin(KINDS.package, "tgi", TGI, tmp_path):
        assert "tgi" in plugins.available(KINDS)
        kinds = KnownKinds(plugins.load_engine_kinds())
        kind, series = kinds.read("/metrics", "tgi_queue_size 4")
        assert kind is not None
        sample = kind.read(series, at=1.0)
    assert (sample.kind, sample.waiting, sample.running) == ("tgi", 4, None)
    assert (kind.rank_label, kind.rank_header, kind.paths) == (None, None, EnginePaths())
