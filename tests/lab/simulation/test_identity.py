from dataclasses import replace

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.identity import COMMON_KEY, arrival_of, ended_key
from concur_proxy.lab.simulation.plan import AgentPlan, Kinship, Turn
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.prompt import Prompt

ROOT = AgentPlan(
    name="root", number=0, start_s=0.0, turns=(Turn(new_tokens=10, answer_tokens=5),), shared_tokens=30, says_end=True
)
CHILD = replace(ROOT, name="child", number=1, parent="root", family="root")
GRANDCHILD = replace(ROOT, name="grandchild", number=2, parent="child", family="root")


def _request(plan: AgentPlan) -> Request:
    return Request(
        plan=plan,
        turn=0,
        chain=Prompt(plan).extended(10),
        history_tokens=0,
        prompt_tokens=40,
        sent_at=0.0,
        on_done=lambda _: None,
    )


def _arrival(plan: AgentPlan, policy: str = "tokens") -> Arrival:
    return arrival_of(_request(plan), POLICIES[policy])


def _names(arrival: Arrival) -> tuple[str | None, str, str, str | None]:
    return arrival.key, arrival.member, arrival.parent, arrival.parent_key


def test_a_request_has_its_size_and_its_prompt() -> None:
    arrival = _arrival(ROOT)
    assert arrival.body_bytes == 160
    assert arrival.chain == Prompt(ROOT).extended(10)


def test_members_have_the_key_of_their_family() -> None:
    assert _names(_arrival(ROOT)) == ("root", "", "", None)
    assert _names(_arrival(CHILD)) == ("root", "child", "", None)
    assert _names(_arrival(GRANDCHILD)) == ("root", "grandchild", "child", None)


def test_sub_agents_with_keys_of_their_own_name_their_parents() -> None:
    child, grandchild = (replace(plan, kinship=Kinship.PARENT_KEY) for plan in (CHILD, GRANDCHILD))
    assert _names(_arrival(child)) == ("child", "", "", "root")
    assert _names(_arrival(grandchild)) == ("grandchild", "", "", "child")


def test_sub_agents_that_name_no_parent_are_sessions_of_their_own() -> None:
    assert _names(_arrival(replace(GRANDCHILD, kinship=Kinship.UNDECLARED))) == ("grandchild", "", "", None)


@pytest.mark.parametrize(
    ("policy", "key", "has_chain"),
    [
        ("tokens-no-header", None, True),
        ("tokens-one-key", COMMON_KEY, True),
        ("tokens-blind", None, False),
        ("requests", None, False),
    ],
)
@pytest.mark.parametrize("plan", [ROOT, CHILD, GRANDCHILD])
def test_what_most_clients_tell(plan: AgentPlan, policy: str, key: str | None, *, has_chain: bool) -> None:
    arrival = _arrival(plan, policy)
    assert _names(arrival) == (key, "", "", None)
    assert (arrival.chain is not None) == has_chain


def test_an_end_is_reported_for_a_session_and_not_for_a_member_or_a_key_of_many() -> None:
    own_key = replace(CHILD, kinship=Kinship.PARENT_KEY)
    ends = [ended_key(_request(plan), POLICIES["tokens"]) for plan in (ROOT, CHILD, own_key)]
    assert ends == ["root", None, "child"]
    assert ended_key(_request(replace(ROOT, says_end=False)), POLICIES["tokens"]) is None
    for policy in ("tokens-no-header", "tokens-one-key", "tokens-blind"):
        assert ended_key(_request(ROOT), POLICIES[policy]) is None
