"""Changes the kept inputs at random, some hundred times for each target. `python -m tests.fuzz` does it for longer."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import MAX_BYTES, TARGETS, corpus

TOKENS = st.sampled_from(
    [b"\r\n", b"\n\n", b"\x00", b"%2e", b"/", b";", b'"', b"{", b"}", b"[", b"\\ud800", b"\\u0000", b"NaN", b"1e999",
     b"-1", b"9" * 25, b'"usage":', b'"stream":true,', b"data: ", b":", b"#", b"\xff", b"\xc3\xa9"]
)  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.integers(0, MAX_BYTES), st.integers(0, 20), TOKENS | st.binary(max_size=8)), min_size=1, max_size=6
)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_changed_input_breaks_no_promise(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([path.read_bytes() for path in corpus(name)]))
    for place, length, what in data.draw(CHANGES):
        at = place % (len(text) + 1)
        text = text[:at] + what + text[at + length :]
    TARGETS[name](text)
