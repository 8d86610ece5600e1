from concur_proxy.lab.recorded.agents import agents_of
from tests.lab.recorded.recordings import request


def test_a_shared_prompt_is_found_from_what_first_requests_found_in_the_cache() -> None:
    firsts = [0, 2000, 2000, 2000, 640, 0]
    requests = [
        request(f"s{number}", 10.0 * number, 3000 if number < 5 else 1500, cached_tokens=cached)
        for number, cached in enumerate(firsts)
    ]
    plans = agents_of(requests).plans
    # the first one has nothing to find; 640 tokens are a coincidence; the last prompt is shorter than the shared one
    assert [plan.shared_tokens for plan in plans] == [2000, 2000, 2000, 2000, 2000, 0]
    assert plans[0].turns[0].new_tokens == 1000


def test_what_sessions_have_in_common_by_chance_is_evicted_like_the_rest() -> None:
    requests = []
    for number in range(8):
        requests.append(request(f"s{number}", 10.0 * number, 3000, cached_tokens=2000))
        requests += [request(f"s{number}", 100.0 * turn, 3000 + turn, cached_tokens=128) for turn in (1, 2, 3)]
    plans = [plan for plan in agents_of(requests).plans if not plan.parent]
    assert {plan.shared_tokens for plan in plans} == {128}
