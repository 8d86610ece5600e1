from concur_proxy.lab.demo.workload import BYTES_PER_TOKEN, Workload, write_scripts
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
