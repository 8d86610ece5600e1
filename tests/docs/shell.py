"""`concur-proxy` for the command blocks of the documentation: servers run in the background and on free ports.

A block says `concur-proxy serve ...` and goes on, as a reader does in another terminal. This replaces the command:
it starts the server, waits until it is healthy, and notes its URL in the folder that `DOCS_STATE` names.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.processes import wait_until_healthy

SERVERS = ("serve", "engine")
ENDLESS = ("agents",)
READERS = ("status", "top")


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit status, or 0 when a server runs in the background."""
    state = Path(os.environ["DOCS_STATE"])
    command = [sys.executable, "-P", "-m", "concur_proxy", *arguments]  # -P: as the installed command, not from here
    name = arguments[0]
    if "--help" in arguments or name not in (*SERVERS, *ENDLESS, *READERS):
        return subprocess.run(command, check=False).returncode
    if name in READERS:
        gateway = [] if "--url" in arguments else ["--url", (state / "serve.url").read_text()]
        return subprocess.run([*command, *gateway], check=False).returncode
    if name in ENDLESS:
        _note(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), state)
        return 0
    return _serve(command, state / name, state)


def _serve(command: list[str], files: Path, state: Path) -> int:
    log = files.with_suffix(".log")
    with log.open("w") as errors:
        server = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, stderr=errors, text=True)
    assert server.stdout is not None
    url = server.stdout.readline().strip().rsplit(" ", 1)[-1]
    if not url:
        print(log.read_text(), file=sys.stderr)
        return server.wait()
    wait_until_healthy(url)
    files.with_suffix(".url").write_text(url)
    _note(server, state)
    return 0


def _note(process: "subprocess.Popen[str] | subprocess.Popen[bytes]", state: Path) -> None:
    """Leaves the process running, and notes its number for the cleaning up."""
    with (state / "pids").open("a") as pids:
        pids.write(f"{process.pid}\n")
    process.returncode = 0  # else Python warns about a process that nobody waits for


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
