"""Log lines that the runbook quotes are those of the code."""

import re

from tests.docs.words import REPOSITORY


def test_quoted_log_lines_are_in_the_code() -> None:
    runbook = (REPOSITORY / "deploy" / "runbook.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "concur_proxy").rglob("*.py"))

    quoted = {" ".join(phrase.split()) for phrase in re.findall(r'"([a-z][a-z\s]+)"', runbook)} - {
        "engine",
        "session_id",
    }

    assert len(quoted) >= 2
    assert [phrase for phrase in quoted if phrase not in code] == []
