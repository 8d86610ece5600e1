from itertools import count

from concur_proxy.lab.recorded.conversations import conversations_of, nest
from tests.lab.recorded.recordings import request


def test_each_history_is_a_conversation_in_the_order_in_which_they_began() -> None:
    answers = [request("a", at, tokens) for at, tokens in [(0.0, 1000), (2.0, 200), (4.0, 1500), (6.0, 300)]]
    first, second = conversations_of("a", answers, count())
    assert [one.prompt_tokens for one in first.requests] == [1000, 1500]
    assert [one.prompt_tokens for one in second.requests] == [200, 300]
    assert (first.name, second.name) == ("0-a", "1-a")


def test_one_that_ends_before_the_next_turn_was_started_by_the_answer_before_it() -> None:
    answers = [request("a", at, tokens) for at, tokens in [(0.0, 1000), (3.0, 200), (8.0, 1500)]]
    first, second = conversations_of("a", answers, count())
    assert nest([first, second]) == [first]
    assert first.children == {0: [second]}
    assert (second.parent, second.depth, second.goes_on_at) == (first, 1, 8.0)


def test_one_that_outlasts_the_next_turn_was_started_by_none() -> None:
    answers = [request("a", at, tokens) for at, tokens in [(0.0, 1000), (3.0, 200), (8.0, 1500), (9.5, 300)]]
    conversations = conversations_of("a", answers, count())
    assert nest(conversations) == list(conversations)
