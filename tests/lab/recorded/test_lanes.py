from concur_proxy.lab.recorded.lanes import MOST_LANES, Lanes
from concur_proxy.lab.recorded.request import RecordedRequest
from tests.lab.recorded.recordings import request


def lane_numbers(*requests: RecordedRequest) -> list[int]:
    lanes, numbers = Lanes(), []
    for each in requests:
        lane = lanes.find(each)
        lane.extend(each)
        numbers.append(lane.number)
    return numbers


def test_a_growing_history_is_one_conversation() -> None:
    assert lane_numbers(*(request("a", 2.0 * turn, 100 + 50 * turn) for turn in range(4))) == [0, 0, 0, 0]


def test_requests_at_the_same_time_are_several() -> None:
    assert lane_numbers(request("a", 0.0, 100), request("a", 0.5, 120), request("a", 2.0, 140)) == [0, 1, 1]


def test_a_smaller_prompt_begins_another_and_the_first_can_go_on() -> None:
    prompts = [1000, 300, 400, 1200, 450]
    numbers = lane_numbers(*(request("a", 2.0 * turn, prompt) for turn, prompt in enumerate(prompts)))
    assert numbers == [0, 1, 1, 0, 1]


def test_members_are_apart() -> None:
    turns = [("", 100), ("b", 120), ("", 140), ("b", 160)]
    assert lane_numbers(*(request("a", 2.0 * n, p, member=m) for n, (m, p) in enumerate(turns))) == [0, 1, 0, 1]


def test_so_many_are_known_and_no_more() -> None:
    falling = [request("a", 2.0 * turn, 5000 - turn) for turn in range(MOST_LANES + 1)]
    returning = request("a", 200.0, 5001)
    assert lane_numbers(*falling, returning)[-1] == 1, "the first one is forgotten, the next one is the longest"


def test_what_was_computed_before() -> None:
    lanes = Lanes()
    first = request("a", 0.0, 1000, 200)
    lane = lanes.find(first)
    assert lane.promised(first) == 0
    lane.extend(first)
    assert lane.promised(request("a", 2.0, 1300)) == 1200
    assert lane.promised(request("a", 2.0, 1100)) == 1100
    assert lane.promised(request("a", 2.0, 1300, cached_tokens=0)) == 1200, "all of it was lost"
    assert lane.promised(request("a", 2.0, 1300, cached_tokens=992)) == 992, "the client left the answer out"
