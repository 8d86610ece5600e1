from concur_proxy.lab.simulation.plan import AgentPlan, Turn, block_keys


def _plan(number: int, *, shared: int = 40, shared_id: int = 0) -> AgentPlan:
    turn = Turn(new_tokens=10, answer_tokens=10)
    return AgentPlan(
        name=str(number), number=number, start_s=0.0, turns=(turn,), shared_tokens=shared, shared_id=shared_id
    )


def test_only_whole_blocks_of_the_shared_prompt_are_shared() -> None:
    one, other = block_keys(_plan(1), 100, 16), block_keys(_plan(2), 100, 16)
    assert len(one) == len(other) == 6
    assert one[:2] == other[:2]
    assert not set(one[2:]) & set(other[2:])
    assert not set(one) & set(block_keys(_plan(1, shared_id=1), 100, 16)[:2])


def test_a_longer_history_begins_as_the_shorter_did() -> None:
    plan = _plan(1)
    assert block_keys(plan, 200, 16)[:6] == block_keys(plan, 100, 16)


def test_a_side_request_shares_the_history_and_no_more() -> None:
    plan = _plan(1)
    main, first, second = (block_keys(plan, 200, 16, side=side, side_from=100) for side in range(3))
    assert main[:6] == first[:6] == second[:6]
    assert len({*main[6:], *first[6:], *second[6:]}) == 3 * 6
