"""Requests as a fleet sees them: which session, which member, recognised or not."""

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Resize
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.conversations import BY_CONTENT, MOST_PARALLEL, Conversations
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.whereabouts import PromptRole
from tests.recognition.chains import chain

FULL = "sta"
"""System prompt, task, answer: where an agent's second prompt begins."""


class Agents:
    """A fleet of one engine with room for all."""

    def __init__(self, window: float = 100.0) -> None:
        def gate(engine: str, numbers: Numbers) -> SessionGate:
            return SessionGate(
                options=GateOptions(), lease=FixedLease(5.0), window=window, engine=engine, numbers=numbers
            )

        self.fleet = Fleet(engines=["e"], make_gate=gate)

    def ask(self, words: str, *, key: str | None = None, scope: str = "", **names: str | PromptRole) -> Ticket:
        arrival = Arrival(key=key, chain=chain(*words, scope=scope, size=20_000), hold_s=60.0, **names)  # type: ignore[arg-type]
        return self.fleet.arrive(arrival, now=0.0)[0]

    def answer(self, ticket: Ticket, *, prompt: int = 100, fails: bool = False) -> None:
        answered = Answered(client_gone=True) if fails else Answered(prompt_tokens=prompt, first_token_s=0.1)
        self.fleet.finish(ticket, answered, now=0.0)

    def turn_of(self, prompt: Chain, *, key: str, parent_key: str | None = None) -> Ticket:
        arrival = Arrival(key=key, parent_key=parent_key, chain=prompt, hold_s=60.0)
        ticket = self.fleet.arrive(arrival, now=0.0)[0]
        self.answer(ticket)
        return ticket

    def turn(self, words: str, *, key: str | None = None, scope: str = "", **names: str | PromptRole) -> str:
        ticket = self.ask(words, key=key, scope=scope, **names)
        self.answer(ticket)
        return ticket.session.key


def test_a_conversation_without_a_name_is_recognised_by_its_prompts() -> None:
    agents = Agents()
    name = agents.turn("st")
    assert agents.turn("stau") == name
    assert agents.turn("staubv") == name
    assert agents.ask("staubvcw").recognised_by == "conversation"


def test_a_first_prompt_is_unrecognised() -> None:
    assert Agents().ask("st").recognised_by == ""


def test_a_request_that_failed_and_comes_again_is_the_same_session() -> None:
    agents = Agents()
    first = agents.ask("st")
    agents.answer(first, fails=True)
    assert agents.turn("st") == first.session.key


def test_roll_outs_of_one_task_are_different_sessions_one_after_another_or_together() -> None:
    agents = Agents()
    together = [agents.ask("st") for _ in range(3)]
    for ticket in together:
        agents.answer(ticket)
    names = {ticket.session.key for ticket in together} | {agents.turn("st")}
    assert len(names) == 4
    assert {agents.ask(f"sta{number}").session.key for number in range(4)} == names


def test_a_common_system_prompt_makes_nobody_the_same_session() -> None:
    agents = Agents()
    assert agents.turn("st") != agents.turn("su")


def test_clients_with_different_credentials_never_meet() -> None:
    agents = Agents()
    assert agents.turn("st", scope="one") != agents.turn("stau", scope="two")


def test_an_edited_history_stays_in_its_session() -> None:
    agents = Agents()
    name = agents.turn("st")
    agents.turn("staubv")
    assert agents.turn("stauXv") == name


def test_a_branch_of_a_running_conversation_joins_its_family_and_uses_its_place() -> None:
    agents = Agents(window=1.0)
    name = agents.turn("st")
    main = agents.ask("stau")
    branch = agents.ask("staw")
    assert branch.session is main.session
    assert branch.is_in_flight
    assert main.session.key == name


def test_a_hint_that_many_share_merges_nobody() -> None:
    agents = Agents()
    names = {agents.turn(f"s{number}", hint="app") for number in range(5)}
    assert len(names) == 5


def test_one_key_for_many_conversations_at_once_is_found_to_be_shared() -> None:
    agents = Agents()
    tickets = [agents.ask(f"s{number}", key="app") for number in range(9)] + [
        agents.ask(f"s{letter}", key="app") for letter in "abcdefghij"
    ]
    assert len({ticket.session.key for ticket in tickets}) > 10
    assert agents.fleet.shared_keys == 1


def test_a_child_with_its_own_key_uses_its_parents_place_at_any_depth() -> None:
    agents = Agents(window=1.0)
    parent = agents.ask("st", key="p")
    child = agents.ask("cu", key="c", parent_key="p")
    grandchild = agents.ask("gv", key="g", parent_key="c")
    assert child.session is parent.session is grandchild.session
    assert grandchild.is_in_flight
    assert agents.fleet.gates["e"].active == 1


def test_a_sub_agent_counts_beside_its_parent_until_the_parent_goes_on() -> None:
    agents = Agents()
    parent = agents.ask("st", key="p")
    agents.answer(parent, prompt=100_000)
    child = agents.ask("cu", key="p", member="sub")
    agents.answer(child, prompt=15_000)
    assert round(agents.fleet.gates["e"].footprint_tokens) == 115_000
    agents.answer(agents.ask("stav", key="p"), prompt=102_000)
    assert round(agents.fleet.gates["e"].footprint_tokens) == 102_000


def test_a_title_request_under_the_sessions_name_does_not_change_its_footprint() -> None:
    agents = Agents()
    agents.answer(agents.ask("st", key="p"), prompt=50_000)
    agents.answer(agents.ask("Tt", key="p"), prompt=500)
    agents.answer(agents.ask("stau", key="p"), prompt=52_000)
    assert round(agents.fleet.gates["e"].footprint_tokens) == 52_000


def test_a_shared_prompt_is_charged_once() -> None:
    agents = Agents()
    for number in range(4):
        agents.answer(agents.ask(f"sss{number}"), prompt=20_000)
    assert 20_000 < agents.fleet.gates["e"].footprint_tokens < 36_000


def test_a_child_is_known_by_its_key_alone_later_on() -> None:
    agents = Agents()
    parent = agents.ask("st", key="p")
    agents.ask("cu", key="c", parent_key="p")
    assert agents.ask("cuav", key="c").session is parent.session


def test_a_hint_names_a_session_if_the_prompt_cannot_be_read() -> None:
    agents = Agents()
    arrival = Arrival(hint="app", hold_s=60.0)
    assert agents.fleet.arrive(arrival, now=0.0)[0].session.key == "app"


def test_a_history_that_became_a_summary_stays_with_the_main_agent() -> None:
    agents = Agents()
    main = agents.ask("st", key="p")
    agents.answer(main)
    assert agents.ask("sX", key="p").member is main.member


def test_a_prompt_that_goes_on_is_no_branch_even_if_its_last_answer_is_just_ending() -> None:
    agents = Agents()
    first = agents.ask("st")
    assert agents.ask("stau").member is first.member


def test_a_prompt_that_leaves_two_conversations_in_the_middle_is_a_new_session() -> None:
    agents = Agents()
    names = {agents.turn("staub"), agents.turn("staux")}
    assert agents.ask("stay").session.key not in names


def test_a_conversation_under_a_hint_is_not_continued_under_another_one() -> None:
    agents = Agents()
    name = agents.turn("st", hint="one")
    assert agents.turn("stau", hint="two") != name


def test_a_named_session_after_an_unreadable_prompt_keeps_its_main_agent() -> None:
    agents = Agents()
    first = agents.fleet.arrive(Arrival(key="p", hold_s=60.0), now=0.0)[0]
    agents.answer(first)
    assert agents.ask("st", key="p").member is first.member


def test_a_request_in_which_nothing_can_be_recognised_is_a_session_of_one_request() -> None:
    ticket, _ = Agents().fleet.arrive(Arrival(hold_s=60.0), now=0.0)
    assert (ticket.session.one_shot, ticket.recognised_by) == (True, "")


def test_the_sub_agents_of_another_gateways_session_are_known() -> None:
    conversations = Conversations(ConversationTree(), lambda _: None, lambda: 1)
    conversations.restore("p", ["", "c"])
    assert (conversations.family_of("c"), conversations.family_of("")) == ("p", "")


def test_a_prompt_that_comes_first_in_the_order_decides_before_the_name() -> None:
    agents = Agents()
    name = agents.turn("st", key="a", prompt_role=PromptRole.FIRST)
    other = agents.ask("stau", key="b", prompt_role=PromptRole.FIRST)
    assert name == "a"
    assert (other.session.key, other.recognised_by) == ("a", BY_CONTENT)
    new = agents.ask("xy", key="b", prompt_role=PromptRole.FIRST)
    assert (new.session.key, new.recognised_by) == ("b", "")


@pytest.mark.parametrize("role", [PromptRole.LAST, PromptRole.NEVER])
def test_a_name_that_comes_first_in_the_order_decides_before_the_prompt(role: PromptRole) -> None:
    agents = Agents()
    agents.turn("st", key="a", prompt_role=role)
    ticket = agents.ask("stau", key="b", prompt_role=role)
    assert (ticket.session.key, ticket.recognised_by) == ("b", "")


def test_without_the_conversation_recogniser_a_request_without_a_name_is_its_own_session() -> None:
    agents = Agents()
    first = agents.turn("st", prompt_role=PromptRole.NEVER)
    second = agents.ask("stau", prompt_role=PromptRole.NEVER, hint="k")
    assert second.session.key != first
    assert (second.session.one_shot, second.recognised_by) == (True, "")


def test_a_request_of_a_shared_name_was_recognised_by_its_name() -> None:
    agents = Agents()
    for number in range(MOST_PARALLEL + 2):
        agents.ask(f"s{number}", key="shared")
    assert agents.fleet.shared_keys == 1
    assert agents.ask("s9+", key="shared").recognised_by == ""


def test_a_shared_name_is_found_also_where_prompts_have_no_system_prompt() -> None:
    agents = Agents()
    for number in range(MOST_PARALLEL + 2):
        agents.turn_of(chain(f"{number}", head=0), key="other")  # one after the other: no sign of sharing
        arrival = Arrival(key="shared", chain=chain(f"task {number}", head=0), hold_s=60.0)
        agents.fleet.arrive(arrival, now=0.0)
    assert agents.fleet.shared_keys == 1


def test_equal_first_prompts_whose_clients_left_unserved_come_back_with_the_turns_that_they_had() -> None:
    agents = Agents()
    first = [agents.ask("st") for _ in range(300)]
    for ticket in first:
        agents.answer(ticket, fails=True)
    again = [agents.ask("st").session.seniority for _ in range(300)]
    assert sorted(again) == sorted(ticket.session.seniority for ticket in first)


def test_a_title_request_that_comes_first_is_not_the_main_agent() -> None:
    agents = Agents()
    title = agents.turn_of(chain("title", "t", size=10), key="p")
    main = agents.turn_of(chain("tools", "t", size=1000), key="p")
    child = agents.turn_of(chain("tools of the child", "u", size=500), key="c", parent_key="p")
    assert (title.member.name[:1], main.member.name, child.member.parent) == ("~", "", "")
    assert main.member.is_live
    assert not title.member.is_live
    assert agents.turn_of(chain("tools", "t", "a", "v", size=1000), key="p").member is main.member


def test_a_prompt_that_is_sent_twice_at_once_is_the_same_member() -> None:
    agents = Agents()
    agents.turn("st")
    first, second = agents.ask("stau"), agents.ask("stau")
    assert first.member is second.member


def test_a_prompt_that_is_cut_or_sent_again_stays_in_its_session() -> None:
    agents = Agents()
    name = agents.turn("st")
    for words in ("stau", "staubv", "staubv", "stau"):
        assert agents.turn(words) == name


def test_an_edit_of_a_roll_out_is_not_taken_for_another_one_that_is_behind() -> None:
    agents = Agents()
    first, behind = agents.ask("st"), agents.ask("st")
    agents.answer(first)
    agents.answer(behind)
    name = agents.turn("stau")
    agents.turn("staubvcw")
    assert agents.turn("staubvcX") == name
    assert agents.turn("stAU") == behind.session.key


def test_a_branch_that_begins_while_its_brother_rests_is_a_member_of_its_own() -> None:
    agents = Agents()
    agents.turn("st")
    main = agents.ask("stau")
    one = agents.ask("sta1")
    agents.answer(one)
    two = agents.ask("sta2")
    assert len({each.member for each in (main, one, two)}) == 3
    assert len({each.session for each in (main, one, two)}) == 1


def test_an_edit_goes_to_the_main_agent_though_a_branch_rests_there_too() -> None:
    agents = Agents()
    agents.turn("st")
    main = agents.ask("stau")
    agents.answer(agents.ask("sta1bcd"))
    agents.answer(main)
    assert agents.ask("staX").member is main.member


def test_a_sub_agent_with_the_main_agents_tools_is_not_taken_for_a_summary_of_its_brother() -> None:
    agents = Agents()
    agents.answer(agents.ask("st", key="p"))
    main = agents.ask("stau", key="p")
    one = agents.ask("Su", key="p")
    agents.answer(one)
    assert agents.ask("Sv", key="p").member not in (main.member, one.member)


def test_a_child_does_not_wait_for_its_parent_whose_session_is_about_to_pause() -> None:
    agents = Agents(window=2.0)
    agents.ask("xy", key="other")
    parent = agents.ask("st", key="p")
    agents.fleet.apply(Resize(engine="e", window=1.0), now=0.0)
    assert parent.session.pausing
    child = agents.ask("cu", key="p", member="c")
    grandchild = agents.ask("gv", key="p", member="g", parent="c")
    assert child.is_in_flight
    assert grandchild.is_in_flight
    assert not agents.ask("stau", key="p").is_in_flight, "the parent itself waits"
