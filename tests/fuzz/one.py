"""Fuzzes one target: `python -m tests.fuzz.one TARGET [options of libFuzzer] FOLDER...`. It ends the process."""

import sys

import atheris

with atheris.instrument_imports(include=["concur_proxy", "h11"]):
    from tests.fuzz.targets import MAX_BYTES, TARGETS

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], f"-max_len={MAX_BYTES}", *options], TARGETS[name])
    atheris.Fuzz()
