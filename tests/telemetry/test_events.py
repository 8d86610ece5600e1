import subprocess

from concur_proxy.telemetry.events import Attempt, RequestRecord, hashed_session


def test_a_hashed_session_is_one_that_a_shell_can_make() -> None:
    shell = ["sh", "-c", "printf agent-7 | sha256sum | cut -c1-16"]
    made = subprocess.run(shell, check=True, capture_output=True, text=True)
    assert hashed_session("agent-7") == made.stdout.strip()


def test_a_key_that_is_no_text_has_a_hash_as_well() -> None:
    assert len(hashed_session("\udcff")) == 16


def test_the_last_failure_counts() -> None:
    record = RequestRecord(method="POST")
    assert record.failure is None
    record.failures += ["engine_broke_midstream", "client_gone"]
    assert record.failure == "client_gone"


def test_two_requests_share_nothing_and_two_equal_attempts_differ() -> None:
    one, other = RequestRecord(method="POST"), RequestRecord(method="POST")
    one.attempts.append(Attempt())
    one.failures.append("internal")
    assert (other.attempts, other.failures) == ([], [])
    assert len({Attempt(), Attempt()}) == 2
