"""What a server's own description says, for the kinds that the package has."""

import pytest

from concur_proxy.engines.kinds import sglang, vllm


@pytest.mark.parametrize(
    ("answer", "version", "problems"),
    [
        ({"disable_radix_cache": False, "version": "0.5.23"}, "0.5.23", []),
        ({"internal_states": [], "version": 5}, None, []),
        ({"disable_radix_cache": True, "version": "0.5.23"}, "0.5.23", ["no_prefix_cache"]),
    ],
)
def test_sglang_says_its_version_and_whether_it_has_a_prefix_cache(
    answer: dict[str, object], version: str | None, problems: list[str]
) -> None:
    info = sglang.build().identify("/server_info", answer)
    assert info is not None
    assert info.version == version
    assert [problem.code for problem in info.problems] == problems


def test_vllm_says_its_version() -> None:
    info = vllm.build().identify("/version", {"version": "0.32.0"})
    assert info is not None
    assert (info.version, info.problems) == ("0.32.0", ())


def test_another_servers_answer_is_not_taken_for_theirs() -> None:
    assert sglang.build().identify("/server_info", {"version": "1"}) is None
    assert vllm.build().identify("/version", {"version": 3}) is None
