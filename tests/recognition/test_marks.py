import json
import re

from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.recognition.marks import MOST_MARKS, STEP_BYTES, without_marks
from concur_proxy.steps import finish

MARKS = re.compile(
    rb',\s*"cache_control"\s*:\s*(?:null|\{[^{}]{0,200}\})|"cache_control"\s*:\s*(?:null|\{[^{}]{0,200}\})\s*,?'
)
marks = st.none() | st.dictionaries(st.sampled_from(["type", "ttl"]), st.sampled_from(["ephemeral", "5m", "}", "\\"]))
values = st.recursive(
    st.none() | st.text(max_size=8) | st.just('"cache_control": null,'),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["cache_control", "a", "b", "cache"]), inner | marks, max_size=4)
    ),
    max_leaves=16,
)


@given(values, st.sampled_from([None, 1]))
def test_every_mark_is_removed_with_one_comma(value: object, indent: int | None) -> None:
    raw = json.dumps(value, indent=indent).encode()
    assert finish(without_marks(raw)) == MARKS.sub(b"", raw)


def test_marks_are_sought_in_steps_and_only_so_many_are_removed() -> None:
    raw = b'["%b"]' % (b"," * 4 * STEP_BYTES)
    assert sum(1 for _ in without_marks(raw)) >= 4
    mark = b'{"cache_control":null},'
    assert finish(without_marks(mark * MOST_MARKS)) == b"{}," * MOST_MARKS
    assert finish(without_marks(mark * 2 * MOST_MARKS)) == b"{}," * MOST_MARKS + mark * MOST_MARKS
