"""The load and the engine of the relay's benchmark: two small C programs, compiled when the benchmark runs."""

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent


def compiled(name: str, folder: Path) -> Path:
    """Compile the program into the folder. Ends the process with a message if there is no C compiler, or it fails."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise SystemExit("This benchmark needs a C compiler (cc, gcc or clang), such as of Debian's package gcc.")
    program = folder / name
    done = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(SOURCES / f"{name}.c")], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{compiler} cannot compile {name}.c, which needs Linux:\n{done.stderr}")
    return program
