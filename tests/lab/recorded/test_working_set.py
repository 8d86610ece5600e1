from array import array

from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.recorded.working_set import working_set_tokens
from concur_proxy.lab.simulation.content import Content
from tests.lab.recorded.recordings import request

BLOCK = 64


def with_content(session: str, at: float, *ids: int) -> RecordedRequest:
    """A request of these blocks, with an answer of 10 tokens after 1 s."""
    content = Content(prompt_tokens=BLOCK * len(ids), block_tokens=BLOCK, ids=array("q", ids))
    return request(session, at, content.prompt_tokens, content=content)


def test_sessions_that_overlap_are_added_up() -> None:
    requests = [request("a", 0.0, 100), request("a", 5.0, 300), request("b", 2.0, 50), request("c", 9.0, 200)]
    assert working_set_tokens(requests) == 310 + 0, "b had ended, and c had not begun"
    requests.append(request("b", 20.0, 60))
    assert working_set_tokens(requests) == 310 + 60


def test_what_sessions_have_in_common_counts_once() -> None:
    requests = [with_content("a", 0.0, 1, 2, 3), with_content("b", 0.5, 1, 2, 4)]
    assert working_set_tokens(requests) == 4 * BLOCK + 2 * 10


def test_what_an_edit_left_behind_does_not_count() -> None:
    requests = [with_content("a", 0.0, 1, 2, 3), with_content("a", 5.0, 1, 9)]
    assert working_set_tokens(requests) == 3 * BLOCK + 10
