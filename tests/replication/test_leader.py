from concur_proxy.replication.leader import Leader
from concur_proxy.replication.messages import Arrive, Claim, Finish, Join
from tests.stores.fleets import make_fleet


def claim(number: int, key: str) -> Claim:
    return Claim(
        number=number,
        key=key,
        body_bytes=400,
        model=None,
        avoid=None,
        rank=None,
        engine="",
        hold_s=60.0,
        waited_s=0.0,
    )


def finish(number: int) -> Finish:
    return Finish(
        number=number,
        prompt_tokens=None,
        completion_tokens=None,
        cached_tokens=None,
        first_token_s=None,
        client_gone=False,
    )


def test_a_request_that_ended_though_it_is_held_here_waits_no_more() -> None:
    # its replica acted upon what it was told before the two lost sight of each other
    leader = Leader(make_fleet(window=1.0))
    leader.receive("r", Join(join=1, claims=()), now=0.0)
    leader.receive("r", Arrive(claim=claim(1, "s")), now=0.0)
    leader.receive("r", Arrive(claim=claim(2, "t")), now=0.0)
    leader.receive("r", finish(2), now=1.0)
    assert leader.fleet.gates["a"].snapshot().held == 0
    leader.receive("r", finish(1), now=2.0)
    assert leader.fleet.gates["a"].snapshot().in_flight == 0
