from concur_proxy.engines.aggregate import RankReader
from concur_proxy.engines.exposition import Exposition, read_exposition


def exposition(*lines: str) -> Exposition:
    return read_exposition("\n".join(lines), lambda _: True)


TWO_RANKS = exposition(
    'queue{engine="0"} 3',
    'queue{engine="1"} 4',
    'usage{engine="0"} 0.2',
    'usage{engine="1"} 0.7',
)


def test_ranks_are_added_or_compared_as_asked() -> None:
    ranks = RankReader(TWO_RANKS, ("engine",))
    assert ranks.total(("queue",)) == 7
    assert ranks.whole(("queue",)) == 7
    assert ranks.highest(("usage",)) == 0.7
    assert ranks.each(("usage",)) == {("0",): 0.2, ("1",): 0.7}


def test_series_that_differ_in_another_label_tell_the_same_thing_twice() -> None:
    ranks = RankReader(
        exposition(
            'queue{dp_rank="0",tp_rank="0"} 3',
            'queue{dp_rank="0",tp_rank="1"} 3',
            'queue{dp_rank="1",tp_rank="0"} 4',
            'queue{dp_rank="1",tp_rank="1"} 5',
        ),
        ("dp_rank",),
    )
    assert ranks.total(("queue",)) == 8


def test_without_the_rank_label_there_is_one_rank() -> None:
    ranks = RankReader(exposition("queue 3", 'queue{pid="9"} 2'), ("engine",))
    assert ranks.total(("queue",)) == 3
    assert ranks.each(("queue",)) == {("",): 3.0}


def test_every_rank_label_tells_ranks_apart() -> None:
    text = exposition('n{dp="0",part="a"} 1', 'n{dp="0",part="b"} 2', 'n{dp="1",part="a"} 4')
    assert RankReader(text, ("dp", "part")).total(("n",)) == 7
    assert RankReader(text, ("dp",)).total(("n",)) == 6


def test_the_first_exported_name_counts_alone() -> None:
    ranks = RankReader(exposition('old{engine="0"} 1', 'new{engine="0"} 2'), ("engine",))
    assert ranks.total(("new", "old")) == 2
    assert ranks.total(("newest", "old")) == 1


def test_a_label_can_be_demanded() -> None:
    ranks = RankReader(exposition('n{engine="0",mode="hit"} 1', 'n{engine="0",mode="input"} 5'), ("engine",))
    assert ranks.total(("n",), mode="hit") == 1
    assert ranks.total(("n",), mode="other") is None


def test_what_is_not_exported_is_unknown_and_what_is_zero_is_zero() -> None:
    ranks = RankReader(exposition('n{engine="0"} 0'), ("engine",))
    assert ranks.total(("m",)) is ranks.highest(("m",)) is ranks.whole(("m",)) is None
    assert ranks.first(("m",)) == []
    assert ranks.total(("n",)) == ranks.highest(("n",)) == ranks.whole(("n",)) == 0
