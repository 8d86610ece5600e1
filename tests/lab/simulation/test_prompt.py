from concur_proxy.lab.simulation.plan import AgentPlan, Turn
from concur_proxy.lab.simulation.prompt import Prompt


def _prompt(number: int, *, shared_id: int = 0, shared_tokens: int = 100) -> Prompt:
    turns = (Turn(new_tokens=10, answer_tokens=5),)
    return Prompt(
        AgentPlan(
            name=str(number),
            number=number,
            start_s=0.0,
            turns=turns,
            shared_tokens=shared_tokens,
            shared_id=shared_id,
        )
    )


def test_agents_have_the_shared_prompt_in_common_and_nothing_after_it() -> None:
    one, other, stranger = _prompt(1), _prompt(2), _prompt(3, shared_id=1)
    chains = [prompt.extended(10) for prompt in (one, other, stranger)]
    assert [len(chain) for chain in chains] == [2, 2, 2]
    assert [chain.head for chain in chains] == [1, 1, 1]
    assert chains[0].hash_at(0) == chains[1].hash_at(0) != chains[2].hash_at(0)
    assert len({chain.hash_at(1) for chain in chains}) == 3


def test_each_turn_begins_with_the_turn_before_it() -> None:
    prompt = _prompt(1)
    first = prompt.extended(10)
    prompt.add(10)
    prompt.add(5)
    second = prompt.extended(20)
    assert second.hashes.startswith(first.hashes)
    assert [second.text_from(index, 1) for index in range(4)] == [(4 * tokens, 0) for tokens in (100, 10, 5, 20)]
    assert len({second.hash_at(index) for index in range(4)}) == 4


def test_a_side_request_differs_in_its_last_segment_only() -> None:
    main, one, other = (_prompt(1).extended(10, side=side) for side in range(3))
    assert main.hash_at(0) == one.hash_at(0) == other.hash_at(0)
    assert len({main.hash_at(1), one.hash_at(1), other.hash_at(1)}) == 3


def test_without_a_shared_prompt_an_agent_begins_with_its_own_segment() -> None:
    chains = [_prompt(number, shared_tokens=0).extended(10) for number in (1, 2)]
    assert [(len(chain), chain.head) for chain in chains] == [(1, 0), (1, 0)]
    assert chains[0].hashes != chains[1].hashes
