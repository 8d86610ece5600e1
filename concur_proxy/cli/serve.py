"""`concur-proxy serve`: runs the gateway."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial

from concur_proxy.cli.flags import add_flags, read_flags
from concur_proxy.cli.listen import admin_listen_problem, listen_problem
from concur_proxy.cli.load import SettingsError, advise, load_settings
from concur_proxy.cli.parser import CommandParser, complain
from concur_proxy.settings.gateway import GatewaySettings

PROG = "concur-proxy serve"

DESCRIPTION = """\
Runs the gateway: an OpenAI- and Anthropic-compatible endpoint in front of unmodified vLLM and SGLang servers. It admits
whole agent sessions within a window, which follows the engines' own cache metrics.

Each setting is a flag here, an environment variable, and a key in the file of --config: --max-hold-s 300,
CONCUR_MAX_HOLD_S=300, max_hold_s = 300. A flag overrides the environment, and the environment overrides the file.
A TIME is a number of seconds, or 90s, 5m, 1h30m. A SIZE is a number of bytes or tokens, or 64k, 200M, 1Gi."""

EPILOG = """\
examples:
  concur-proxy serve --engine http://gpu1:8000
  concur-proxy serve --engine http://gpu1:8000 --engine http://gpu2:8000 --law static --set window=24
  CONCUR_ENGINE=http://gpu1:8000,http://gpu2:8000 concur-proxy serve --config gateway.toml"""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status."""
    parser = CommandParser(PROG, usage="--engine URL [options]", description=DESCRIPTION, epilog=EPILOG)
    add_flags(parser)
    try:
        namespace, problems = parser.read_known(arguments)
        flags = read_flags(namespace)
        settings = load_settings(flags, problems)
    except SettingsError as error:
        return complain(PROG, *error.problems)
    for line in advise(settings):
        print(f"{PROG}: warning: {line}", file=sys.stderr)
    if problem := listen_problem(settings.host, settings.port) or admin_listen_problem(settings):
        return complain(PROG, problem)
    import uvicorn  # noqa: PLC0415 - --help and errors in settings do not wait for these imports

    from concur_proxy.server import serve  # noqa: PLC0415 - as above
    from concur_proxy.server.uvicorn_version import untested_uvicorn  # noqa: PLC0415 - as above

    if warning := untested_uvicorn(uvicorn.__version__):
        print(f"{PROG}: warning: {warning}", file=sys.stderr)

    if settings.workers > 1:
        from concur_proxy.server.workers import run_workers  # noqa: PLC0415 - as above

        return run_workers(settings, partial(serve.run, settings, partial(_load, flags)))
    serve.run(settings, partial(_load, flags))
    return 0


def _load(flags: Mapping[str, object]) -> GatewaySettings | Sequence[str]:
    """The current settings, or one line for each thing that is wrong with them."""
    try:
        return load_settings(flags)
    except SettingsError as error:
        return error.problems
