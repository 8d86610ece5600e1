import gzip
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.request import RecordedRequest, TraceProblem
from concur_proxy.lab.recorded.weka import SessionTrace
from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.plan import AgentPlan
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation
from tests.benchmarks.traces import RECORDING
from tests.lab.recorded.sessions import BLOCK, answer, session, write


def read(path: Path) -> list[RecordedRequest]:
    return list(SessionTrace(path).requests())


def ids(request: RecordedRequest) -> list[int]:
    assert request.content is not None
    return list(request.content.ids)


def replayed(plans: Iterable[AgentPlan]) -> list[tuple[int, int, int]]:
    """Prompt, known and cached tokens of each request, in the order of the answers, with a cache that never evicts."""
    seen: list[tuple[int, int, int]] = []

    def watch(request: Request, _: float) -> None:
        seen.append((request.prompt_tokens, request.history_tokens, request.cached_tokens))

    scenario = Scenario(
        name="x", summary="", populations=[TracePopulation(recorded=list(plans))], shape=EngineShape(block_tokens=16)
    )
    Experiment(scenario, POLICIES["infinite-cache"], 1, keeps_courses=False, watch=watch).run()
    return seen


def test_lines_an_array_and_a_folder_hold_the_same_sessions(tmp_path: Path) -> None:
    sessions = [session(answer(0, [1, 2])), session(answer(0, [1, 2, 3]), answer(9, [1, 2, 3, 4]))]
    lines = read(write(tmp_path / "lines.jsonl", *sessions))
    assert [(each.session, each.at, each.prompt_tokens) for each in lines] == [
        ("0-s", 0.0, 138),
        ("1-s", 0.0, 202),
        ("1-s", 9.0, 266),
    ]
    array = tmp_path / "array.json.gz"
    array.write_bytes(gzip.compress(msgspec.json.encode(sessions)))
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, each in enumerate(sessions):
        (folder / f"{number}.json").write_bytes(msgspec.json.format(msgspec.json.encode(each), indent=1))
    (folder / "README.md").write_text("not a session")
    assert read(array) == read(folder) == lines


def test_equal_ids_are_equal_content_within_a_session_only(tmp_path: Path) -> None:
    first, other = read(write(tmp_path / "x", session(answer(0, [1, 2])), session(answer(0, [1, 2]))))
    assert not set(ids(first)) & set(ids(other))


def test_ids_of_global_scope_are_equal_content_in_all_sessions(tmp_path: Path) -> None:
    sessions = [session(answer(0, [1, 2]), hash_id_scope="global") for _ in range(2)]
    local = session(answer(0, [1, 2]))
    first, other, stranger = map(ids, read(write(tmp_path / "x", *sessions, local)))
    assert first == other
    assert not set(first) & set(stranger)


def test_sessions_of_one_version_share_its_prompt(tmp_path: Path) -> None:
    tools, system = 3 * BLOCK, 2 * BLOCK
    requests = read(
        write(
            tmp_path / "x",
            session(answer(0, [1, 2, 3, 4, 5, 6]), head=(tools, system)),
            session(answer(0, [11, 12, 13, 14, 15, 16]), head=(tools, system)),
            session(answer(0, [1, 2, 3, 4, 5, 6]), head=(tools, system + BLOCK)),
        )
    )
    one, two, three = map(ids, requests)
    assert one[:5] == two[:5]
    assert one[:3] == three[:3], "the same tools, with another system prompt"
    assert not set(one[3:]) & set(three[3:])
    assert one[5] != two[5]


def test_a_prompt_with_another_beginning_has_no_shared_prompt(tmp_path: Path) -> None:
    title = answer(0, [90, 91, 92])
    requests = read(
        write(tmp_path / "x", session(title, answer(1, [1, 2, 3]), answer(4, [1, 2, 3, 4]), head=(BLOCK, 0)))
    )
    heads = [request.content.head_tokens for request in requests if request.content is not None]
    assert heads == [0, BLOCK, BLOCK]
    assert ids(requests[0])[0] > 0


def test_sub_agents_are_members_that_ended_at_their_own_time(tmp_path: Path) -> None:
    def sub_agent(t: float, seconds: float, first: int) -> dict[str, object]:
        nested = [answer(0, [first]), answer(4, [first, first + 1])]
        return {"t": t, "type": "subagent", "duration_ms": 1000 * seconds, "requests": nested}

    idle = {"t": 4, "type": "subagent", "duration_ms": 10, "requests": []}
    main = [answer(0, [1]), sub_agent(9.5, 7, 50), sub_agent(12, 9, 60), answer(15, [1, 2]), idle]
    requests = read(write(tmp_path / "x", session(*main)))
    assert sorted((each.member, each.at) for each in requests) == [
        ("", 0.0),
        ("", 15.0),
        ("/1", 2.5),
        ("/1", 6.5),
        ("/2", 3.0),
        ("/2", 7.0),
    ]
    (plan,) = agents_of(requests).plans
    assert [len(child.turns) for child in plan.turns[0].children] == [2, 2]
    assert all(child.family == plan.name for child in plan.turns[0].children)
    assert plan.turns[0].gap_s == pytest.approx(6.0), "from the end of the last sub-agent"


def test_a_sub_agent_can_have_the_session_s_times(tmp_path: Path) -> None:
    sub_agent = {"t": 19, "type": "subagent", "duration_ms": 9000, "requests": [answer(11, [50]), answer(15, [50, 51])]}
    requests = read(write(tmp_path / "x", session(answer(6, [1]), sub_agent, answer(25, [1, 2]))))
    assert sorted((each.member, each.at) for each in requests) == [("", 6.0), ("", 25.0), ("/1", 11.0), ("/1", 15.0)]


def test_agents_in_one_list_are_told_apart(tmp_path: Path) -> None:
    main = [answer(0, [1, 2, 3]), answer(12, [1, 2, 3, 4, 5])]
    workers = [answer(4, [1, 2, 50, 51]), answer(4, [1, 2, 60, 61]), answer(8, [1, 2, 60, 61, 62])]
    requests = read(write(tmp_path / "x", session(*main[:1], *workers, *main[1:])))
    assert sorted((each.member, each.at) for each in requests) == [
        ("", 0.0),
        ("", 12.0),
        ("#1", 4.0),
        ("#2", 4.0),
        ("#2", 8.0),
    ]
    (plan,) = agents_of(requests).plans
    assert len(plan.turns[0].children) == 2


def test_an_answer_without_a_duration_gets_a_guess_that_ends_before_the_next(tmp_path: Path) -> None:
    rows = [
        answer(0, [1], 100),
        answer(5, [1, 2], 50, api_time=None),
        answer(20, [1, 2, 3], 5000, api_time=None),
        answer(30, [1]),
    ]
    found = sorted(read(write(tmp_path / "x", session(*rows))), key=lambda each: each.at)
    assert [(each.duration_s, each.is_timed) for each in found[:3]] == [(2.0, True), (1.0, False), (10.0, False)]


def test_what_was_kept_is_in_the_cache_and_what_was_edited_is_not(tmp_path: Path) -> None:
    rows = [
        answer(0, [1, 2, 3], 128, rest=0),
        answer(5, [1, 2, 3, 4, 5, 6], 64, rest=0),  # the answer was kept: blocks 4 and 5
        answer(9, [1, 2, 30, 31, 32], 64, rest=0),  # an edit after the second block
        answer(14, [1, 40], 64, rest=0),  # compaction
    ]
    (plan,) = agents_of(read(write(tmp_path / "x", session(*rows)))).plans
    (first, second, third, fourth) = replayed([plan])
    assert first == (192, 0, 0)
    assert second == (384, 320, 304), "the last token of an answer is not computed, so its block is not whole"
    assert third == (320, 128, 128)
    assert fourth == (128, 64, 64)


def test_a_shared_prompt_is_computed_once(tmp_path: Path) -> None:
    sessions = (session(answer(4 * at, [1, 2, 3]), head=(2 * BLOCK, 0)) for at in range(3))
    plans = agents_of(read(write(tmp_path / "x", *sessions))).plans
    assert [cached for _, _, cached in replayed(plans)] == [0, 2 * BLOCK, 2 * BLOCK]


def nested(levels: int) -> str:
    """A session with sub-agents within each other."""
    head, request = '{"type": "subagent", "t": 1, "requests": [', '{"t": 0, "in": 9, "out": 1, "hash_ids": []}'
    return f'{{"block_size": 64, "requests": [{head * levels}{request}{"]}" * levels}]}}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"block_size": 64, "requests": []}', r"line 1: .*`\$.requests`"),
        ('{"requests": [{"t": 0}]}', "line 1: .*`block_size`"),
        ('{"block_size": 64, "requests": [{"t": 0, "in": 9, "hash_ids": []}]}', r"line 1, requests\[0\]: .*`out`"),
        ('{"block_size": 64, "requests": [{"t": 0, "in": -9, "out": 1, "hash_ids": []}]}', r"requests\[0\]: .*`\$.in`"),
        ('{"block_size": 64, "requests": [{"type": "subagent", "t": 1}]}', r"requests\[0\]: .*`requests`"),
        ('{"block_size": 64, "requests": [', "line 1: "),
        ('[{"block_size": 64}]', "element 0: .*`requests`"),
        (nested(41), "line 1: has more than 40 levels of sub-agents"),
        (nested(5_000), "line 1: is nested too deeply"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.jsonl"
    good = msgspec.json.encode(session(answer(0, [1]))).decode()
    path.write_text(text if text.startswith("[") else f"{text}\n{good}\n")
    with pytest.raises(TraceProblem, match=says) as problem:
        read(path)
    assert str(path) in str(problem.value)
    assert "\n" not in str(problem.value)


def test_recorded_sessions_have_families_and_are_nearly_all_extensions() -> None:
    requests = read(RECORDING)
    plans = agents_of(requests).plans
    assert (len(requests), len(plans)) == (1505, 44)
    children = [child for plan in plans for turn in plan.turns for child in turn.children]
    assert sum(len(child.turns) for child in children) == 131
    timed = [request for request in requests if request.is_timed]
    assert len(timed) == 1401
