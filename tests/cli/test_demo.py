from pathlib import Path

import pytest

from concur_proxy.cli import demo
from concur_proxy.lab.demo.options import DemoOptions


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--agents", "0"], "--agents: must be a whole number, 1 or more, not '0'"),
        (["--turns", "many"], "--turns: must be a whole number, 1 or more, not 'many'"),
        (["--time-scale", "0"], "--time-scale: must be more than 0, not 0"),
        (["--engine", "gpu"], "--engine: must be a URL such as http://localhost:8000, not 'gpu'"),
        (["--law", "aimed"], "--law: there is no control law 'aimed': did you mean aimd?"),
        (["--agent", "3"], "unknown argument --agent: did you mean --agents?"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        demo.main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"concur-proxy demo: error: {problem}\n"


def test_a_file_that_cannot_be_written_is_told_before_the_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "no" / "such.json", tmp_path):
        assert demo.main(["--json", str(path)]) == 2
        assert capsys.readouterr().err == f"concur-proxy demo: error: --json {path}: cannot be written\n"


def test_a_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--engine", "http://127.0.0.1:9", "--agents", "2"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("concur-proxy demo: error: --engine http://127.0.0.1:9: ")


def test_without_arguments_it_is_the_default_demo() -> None:
    assert demo.read_options([]) == (DemoOptions(), {})


def test_arguments_reach_the_demo() -> None:
    flags = "--engine http://gpu/ --agents 3 --turns 4 --seed 5 --law off --json x --html y"
    options, files = demo.read_options(flags.split())
    assert (options.engine, options.law, files) == ("http://gpu", "off", {"json": Path("x"), "html": Path("y")})
    assert (options.workload.agents, options.workload.turns, options.workload.seed) == (3, 4, 5)
