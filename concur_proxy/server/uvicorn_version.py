"""The versions of uvicorn that the gateway was tested with. It runs as uvicorn's server, with a protocol of its own."""

FIRST_TESTED_UVICORN = (0, 36)
FIRST_UNTESTED_UVICORN = (0, 55)
"""The gateway is tested with versions of uvicorn from the first of these up to, but not including, the second."""


def untested_uvicorn(version: str) -> str | None:
    """One line of advice if the gateway was not tested with this version of uvicorn, else None.

    It is a warning, not a refusal: another version usually works, and a security fix in uvicorn must be installable
    before this gateway has a new release.
    """
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if FIRST_TESTED_UVICORN <= numbers < FIRST_UNTESTED_UVICORN:
        return None
    first, end = (".".join(map(str, bound)) for bound in (FIRST_TESTED_UVICORN, FIRST_UNTESTED_UVICORN))
    return f"uvicorn {version} was not tested with this gateway: pip install 'uvicorn>={first},<{end}'"
