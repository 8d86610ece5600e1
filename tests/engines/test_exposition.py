import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concur_proxy.engines.exposition import (
    MAX_LINES,
    MAX_SERIES,
    MAX_UNUSUAL,
    Exposition,
    RankReader,
    _unusual,
    _usual,
    read_exposition,
)


def read(text: str) -> Exposition:
    return read_exposition(text, lambda name: name in {"usage", "ns:usage"})


def values(text: str, name: str = "usage") -> list[float]:
    return [one.value for one in read(text).series.get(name, [])]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("4.2e-05", 0.000042),
        ("9.75e-06", 0.00000975),
        ("1e+3", 1000.0),
        ("1.79552117291e+09", 1795521172.91),
        ("-0.5", -0.5),
        ("7", 7.0),
        (".5", 0.5),
        ("00.5", 0.5),
    ],
)
def test_numbers_are_read_in_every_notation(written: str, value: float) -> None:
    assert values(f"usage {written}") == [value]
    assert values(f'usage{{engine="0"}} {written}\n') == [value]


@pytest.mark.parametrize("written", ["NaN", "nan", "+Inf", "-Inf", "inf"])
def test_a_value_that_is_no_number_leaves_the_series_unknown(written: str) -> None:
    exposition = read(f"usage {written}\nns:usage 1")
    assert "usage" not in exposition.series
    assert exposition.malformed_lines == 0
    assert exposition.series["ns:usage"][0].value == 1


@pytest.mark.parametrize(
    "line",
    [
        "usage",
        "usage ",
        "usage abc",
        "usage 1_000",
        "usage 0x10",
        "usage{",
        "usage{} ",
        'usage{engine="0"',
        'usage{engine="0} 1',
        "usage{engine=0} 1",
        'usage{engine="0"} 1 later',
        'usage{engine="0",engine="1"} 1',
        'usage{a="b", ="c"} 1',
        'usage and{a="b"} 1',
        "usage " + "9" * 400,
    ],
)
def test_a_malformed_line_loses_only_itself(line: str) -> None:
    exposition = read(f"ns:usage 0.25\n{line}\nns:usage 0.75\n")
    assert exposition.malformed_lines == 1
    assert [one.value for one in exposition.series["ns:usage"]] == [0.25, 0.75]
    assert "usage" not in exposition.series


def test_a_malformed_line_that_nobody_wants_is_not_even_counted() -> None:
    assert read("other{ nonsense\nusage 1").malformed_lines == 0


@pytest.mark.parametrize(
    "line",
    [
        "usage 0.5 1520879607789",
        'usage{engine="0"} 0.5 -1',
        "  usage 0.5  ",
        "\tusage\t0.5",
        "usage 0.5\r",
        'usage{engine="0",} 0.5',
        'usage{ engine = "0" } 0.5',
        'usage {engine="0"} 0.5',
        'usage{engine="0"} 0.5 # {trace_id="a b"} 0.67 1520879607.789',
        'usage 0.5 # {trace_id="a"} 1',
    ],
)
def test_timestamps_exemplars_and_white_space_do_not_matter(line: str) -> None:
    assert values(f"{line}\n") == [0.5]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("plain", "plain"),
        ("a{b}c", "a{b}c"),
        ("a,b=c", "a,b=c"),
        (r"a\"b", 'a"b'),
        (r"a\\", "a\\"),
        (r"a\nb", "a\nb"),
        ("} 7", "} 7"),
        ("# no comment", "# no comment"),
        ("Qwen/Qwen3-4B", "Qwen/Qwen3-4B"),
        ("größe\u2028\x85\x1c", "größe\u2028\x85\x1c"),
        ("", ""),
    ],
)
def test_a_label_may_hold_anything(written: str, label: str) -> None:
    (one,) = read(f'usage{{model_name="{written}",engine="0"}} 0.5\n').series["usage"]
    assert one.labels == {"model_name": label, "engine": "0"}
    assert one.value == 0.5


def test_only_wanted_names_are_kept() -> None:
    text = "# HELP usage Share.\n# TYPE usage gauge\nusage 1\nusage_bucket 2\nusage_total 3\nmy_usage 4\n"
    assert read(text) == Exposition(series={"usage": read("usage 1").series["usage"]}, help={"usage": "Share."})


def test_declared_types_rename_nothing() -> None:
    text = "# TYPE usage counter\nusage 3\n# TYPE ns:usage counter\nns:usage 4\n"
    assert sorted(read(text).series) == ["ns:usage", "usage"]


def test_the_series_of_a_name_keep_their_order() -> None:
    assert values('usage{engine="1"} 1\nns:usage 5\nusage{engine="0"} 2\n') == [1.0, 2.0]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only a comment", "{}", '{"usage",engine="0"} 1', "\t\t\n\x0b\n \xa0\n"]
)
def test_text_without_series_is_empty(text: str) -> None:
    assert read(text) == Exposition()


def test_of_a_ten_thousand_lines_only_wanted_ones_are_parsed() -> None:
    asked: list[str] = []

    def is_wanted(name: str) -> bool:
        asked.append(name)
        return name == "usage"

    # Each of these would be malformed if it were parsed.
    bulk = 'latency_bucket{le="0.5" broken\n' * 10_000
    exposition = read_exposition(f"{bulk}usage 0.5\n", is_wanted)
    assert asked == ["latency_bucket", "usage"], "each name is asked for once"
    assert exposition.malformed_lines == 0
    assert exposition.series["usage"][0].value == 0.5


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=60), max_size=8))
@example(["{", '="x"} 1', "{}", ' ="y"} 1'])
@example(['{a="x", ="y"} 1'])
def test_no_text_whatever_raises_or_yields_what_is_no_number(tails: list[str]) -> None:
    exposition = read("\n".join(f"usage{tail}" for tail in tails))
    assert all(math.isfinite(one.value) for series in exposition.series.values() for one in series)


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_a_client_library_writes_is_read_back(value: float, label: str) -> None:
    escaped = label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    (one,) = read(f'usage{{model_name="{escaped}"}} {value!r}\n').series["usage"]
    assert (one.labels["model_name"], one.value) == (label, value)


def test_a_rank_has_its_own_series_and_the_servers() -> None:
    text = 'a{engine="0"} 1\na{engine="1"} 2\nb 3\nc{engine="0"} 4\n'
    exposition = read_exposition(text, lambda _: True)
    first, second = exposition.of_rank("engine", 0), exposition.of_rank("engine", 1)
    values = [{name: [one.value for one in many] for name, many in each.series.items()} for each in (first, second)]
    assert values == [{"a": [1.0], "b": [3.0], "c": [4.0]}, {"a": [2.0], "b": [3.0]}]
    assert exposition.of_rank("engine", 7).series.keys() == {"b"}


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


def test_a_hostile_exposition_is_read_in_bounded_time() -> None:
    assert len(values("".join(f'usage{{engine="{n}"}} 1\n' for n in range(2 * MAX_SERIES)))) == MAX_SERIES
    assert values("\n" * MAX_LINES + "usage 1") == []
    long = read("usage{" + ",".join(f'l{n}="x"' for n in range(100_000)) + "} 1\nusage 2")
    assert (long.malformed_lines, [one.value for one in long.series["usage"]]) == (1, [2])


_labels = st.lists(
    st.tuples(st.sampled_from(["a", "b_1", "engine", "9", "ü"]), st.text(st.sampled_from('x ={},\\"n'), max_size=4)),
    max_size=3,
)


@given(
    st.sampled_from(["usage", "usage:x", "usage "]),
    _labels,
    st.sampled_from(["", " ", "  ", "\t"]),
    st.sampled_from(["1", "0.5", "1e3", "+1", "-.5", "1.", "1e", "NaN", "1_0", "5 17", "9" * 30, "1e999", "", "--1"]),
    st.sampled_from(["", " ", "\r", " # x"]),
)
def test_the_short_way_reads_what_the_parser_reads(
    name: str, labels: list[tuple[str, str]], blank: str, value: str, end: str
) -> None:
    inner = ",".join(f'{label}="{text}"' for label, text in labels)
    line = f"{name}{{{inner}}}{blank}{value}{end}" if labels else f"{name}{blank}{value}{end}"
    if (short := _usual(name, line)) is not None:
        assert short == _unusual(name, line)


def test_lines_that_need_the_parser_are_bounded() -> None:
    exposition = read("\n".join('usage{a="\\\\"} 1' for _ in range(MAX_UNUSUAL + 7)))
    assert len(exposition.series["usage"]) == MAX_UNUSUAL
    assert exposition.malformed_lines == 7
