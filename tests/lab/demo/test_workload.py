from concur_proxy.lab.demo.workload import BYTES_PER_TOKEN, EVERY_KIND, Kind, Workload, write_scripts
from concur_proxy.lab.server import tokenizer


def test_the_seed_decides_the_fleet() -> None:
    assert write_scripts(Workload(agents=3)) == write_scripts(Workload(agents=3))
    assert write_scripts(Workload(agents=3, seed=2)) != write_scripts(Workload(agents=3, seed=1))


def test_sizes_are_near_the_averages_and_agents_differ() -> None:
    workload = Workload(agents=20, turns=4, first_tokens=1000, growth_tokens=100, answer_tokens=50, tool_s=(1.0, 2.0))
    scripts = write_scripts(workload)
    assert len({script.name for script in scripts}) == len({script.turns[0].text for script in scripts}) == 20
    for script in scripts:
        assert script.system == scripts[0].system
        first, *others = script.turns
        assert 650 <= len(first.text) / BYTES_PER_TOKEN <= 1350
        assert all(65 <= len(turn.text) / BYTES_PER_TOKEN <= 135 for turn in others)
        assert all(1.0 <= turn.tool_s <= 2.0 for turn in script.turns[:-1])
        assert script.turns[-1].tool_s == 0.0


def test_tokens_are_those_of_the_emulated_engine() -> None:
    assert BYTES_PER_TOKEN == tokenizer.TOKEN_BYTES


def test_agents_are_of_every_kind() -> None:
    workload = Workload(agents=8, turns=4, kinds=EVERY_KIND)
    scripts = write_scripts(workload)
    assert {workload.kind_of(number) for number in range(4)} == set(Kind)
    assert [script.has_name for script in scripts] == [True, False, True, True, True, False, True, True]
    assert {script.system for script in (scripts[3], scripts[7])} != {scripts[0].system}
    assert scripts[3].system == scripts[7].system
    (parent,) = (script for script in scripts if script.turns[0].children)
    assert [child.parent for child in parent.turns[0].children] == [parent.name] * 2
    assert parent.all_turns == 4 + 2 * workload.child_turns


def test_kinds_do_not_change_what_agents_without_them_say() -> None:
    plain, mixed = write_scripts(Workload(agents=2)), write_scripts(Workload(agents=2, kinds=EVERY_KIND))
    assert [script.turns for script in plain] == [script.turns for script in mixed]
