"""The page of commands, from the help that each prints."""

import io
import os
import re
from contextlib import redirect_stdout, suppress
from unittest import mock

from concur_proxy.cli.main import COMMANDS
from concur_proxy.cli.main import main as run
from tests.docs.reference.page import page

WIDTH = 112
SETTINGS = re.compile(r"\nengines:\n.*?(?=\nexamples:|\Z)", re.DOTALL)
"""The flags of the settings, which several commands share."""
SEE_SERVE = "\nand every flag of `serve`, see above\n"

ABOUT = """\
In a clone, `sh deploy/start COMMAND` is the same as `concur-proxy COMMAND`. Every command prints this help with
`--help`. Wrong use ends with exit status 2 and one line on standard error; Ctrl-C ends with 130."""


def commands_page() -> str:
    """A section for each command."""
    sections = [f"```text\n{_help()}```"]
    for name in COMMANDS:
        text = _help(name)
        sections.append(f"## {name}\n\n```text\n{text if name == 'serve' else SETTINGS.sub(SEE_SERVE, text)}```")
    return page("Commands", ABOUT, *sections)


def _help(*command: str) -> str:
    printed = io.StringIO()
    plain = {"COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    with mock.patch.dict(os.environ, plain), redirect_stdout(printed), suppress(SystemExit):
        run([*command, "--help"])
    return printed.getvalue()
