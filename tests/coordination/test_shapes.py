import json

import pytest

from concur_proxy.coordination.redis.link import PROTOCOL
from tests.coordination.shapes import FILE, Shapes, misread, shapes


def test_what_gateways_send_is_written_down() -> None:
    """If this fails, run `python -m tests.coordination.shapes`, which says whether `PROTOCOL` must be raised."""
    assert json.loads(FILE.read_text()) == {"protocol": PROTOCOL, "shapes": shapes()}


def test_everything_that_is_sent_is_covered() -> None:
    assert {
        "Batch",
        "Arrive",
        "Decided",
        "Standing",
        "Arrival",
        "Answered",
        "Chain",
        "SessionRecord",
    } <= shapes().keys()


@pytest.mark.parametrize(
    ("now", "problems"),
    [
        ({"A": ["x: int", "y: str ="]}, 0),
        ({"A": ["x: int", "y: str =", "z: int ="], "B": ["new: int"]}, 0),
        ({"A": ["x: int", "y: str =", "z: int"]}, 1),
        ({"A": ["z: int =", "x: int", "y: str ="]}, 1),
        ({"A": ["x: int"]}, 1),
        ({"A": ["x: float", "y: str ="]}, 1),
        ({}, 1),
    ],
)
def test_a_change_that_an_older_gateway_would_misread_is_found(now: Shapes, problems: int) -> None:
    assert len(misread({"A": ["x: int", "y: str ="]}, now)) == problems
