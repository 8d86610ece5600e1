from concur_proxy.lab.demo.options import SMALL_ENGINE, DemoOptions, engine_flags
from concur_proxy.lab.demo.virtual import plan, simulate
from concur_proxy.lab.demo.workload import Workload, write_scripts
from concur_proxy.lab.server import tokenizer
from concur_proxy.lab.server.chat import read_chat
from concur_proxy.lab.server.options import EmulatorOptions


def test_a_turn_has_as_many_tokens_as_the_emulated_engine_counts() -> None:
    (script,) = write_scripts(Workload(agents=1, turns=3, first_tokens=50))
    virtual = plan(script, 0)
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


def test_the_default_fleet_is_at_least_twice_as_fast_with_control() -> None:
    assert simulate(DemoOptions()).ratio > 2


def test_without_a_law_there_is_no_difference() -> None:
    options = DemoOptions(law="off", workload=Workload(agents=8, turns=3))
    assert simulate(options).ratio == 1.0


def test_flags_describe_the_same_engine() -> None:
    assert engine_flags(EmulatorOptions()) == ()
    assert engine_flags(EmulatorOptions(cached_tokens=False, step_s=0.5)) == ("--step-s", "0.5", "--no-cached-tokens")
