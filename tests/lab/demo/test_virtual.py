from concur_proxy.lab.demo.options import SMALL_ENGINE, DemoOptions, engine_flags
from concur_proxy.lab.demo.virtual import plans, simulate
from concur_proxy.lab.demo.workload import EVERY_KIND, Workload, write_scripts
from concur_proxy.lab.server import tokenizer
from concur_proxy.lab.server.chat import read_chat
from concur_proxy.lab.server.options import EmulatorOptions


def test_a_turn_has_as_many_tokens_as_the_emulated_engine_counts() -> None:
    (script,) = write_scripts(Workload(agents=1, turns=3, first_tokens=50))
    (virtual,) = plans([script])
    messages = [{"role": "system", "content": script.system}]
    prompt_tokens = virtual.shared_tokens
    for said, turn in zip(script.turns, virtual.turns, strict=True):
        messages.append({"role": "user", "content": said.text})
        chat = read_chat({"messages": messages, "max_tokens": said.answer_tokens}, SMALL_ENGINE)
        prompt_tokens += turn.new_tokens
        assert chat.generation.request.prompt_tokens == prompt_tokens
        assert chat.generation.request.output_tokens == turn.answer_tokens
        messages.append({"role": "assistant", "content": chat.generation.text})
        prompt_tokens += turn.answer_tokens
    assert len(chat.generation.text) == tokenizer.TOKEN_BYTES * turn.answer_tokens


def test_in_virtual_time_agents_are_of_the_same_kinds() -> None:
    named, unnamed, parent, team = plans(write_scripts(Workload(agents=4, turns=2, kinds=EVERY_KIND)))
    assert [plan.has_name for plan in (named, unnamed, parent, team)] == [True, False, True, True]
    children = parent.turns[0].children
    assert [(child.parent, child.family) for child in children] == [("agent-2", "agent-2")] * 2
    assert named.shared_id == unnamed.shared_id == parent.shared_id == children[0].shared_id != team.shared_id
    assert team.shared_tokens > 700 > named.shared_tokens
    assert len({plan.number for plan in (named, unnamed, parent, team, *children)}) == 6


def test_the_default_fleet_is_at_least_twice_as_fast_with_control_and_its_courses_say_why() -> None:
    times = simulate(DemoOptions())
    assert times.ratio > 2
    free, controlled = times.courses
    assert free.hit_rate is not None
    assert controlled.hit_rate is not None
    assert free.hit_rate < 0.3
    assert controlled.hit_rate > 0.7
    assert free.recomputed_tokens is not None
    assert controlled.recomputed_tokens is not None
    assert free.recomputed_tokens > 5 * controlled.recomputed_tokens
    assert free.turn_p50_s > 5 * controlled.turn_p50_s
    assert free.longest_wait_s is None
    assert controlled.longest_wait_s is not None
    assert controlled.longest_wait_s > controlled.turn_p50_s
    assert {point.window for point in free.points} == {None}
    assert any(point.window is not None and 0 < point.window < 1 for point in controlled.points)


def test_without_a_law_there_is_no_difference() -> None:
    options = DemoOptions(law="off", workload=Workload(agents=8, turns=3))
    assert simulate(options).ratio == 1.0


def test_flags_describe_the_same_engine() -> None:
    assert engine_flags(EmulatorOptions()) == ()
    assert engine_flags(EmulatorOptions(cached_tokens=False, step_s=0.5)) == ("--step-s", "0.5", "--no-cached-tokens")
