"""Flags in a request's body, as the engines read them."""


def flag(value: object) -> bool | None:
    """Return a flag as the engines read it; None for what they refuse, or if the flag is absent.

    vLLM and SGLang read bodies with pydantic, which also takes 0, 1 and these words in any case (pydantic: Conversion
    Table, bool).
    """
    if isinstance(value, str):
        value = value.lower()
        return True if value in _TRUE_WORDS else False if value in _FALSE_WORDS else None
    return bool(value) if isinstance(value, bool | int | float) and value in {0, 1} else None


def is_wanted(value: object) -> bool:
    """Whether an option is set. A value that the engine will refuse counts, so that the body stays as it is."""
    return bool(value) and flag(value) is not False


_TRUE_WORDS = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE_WORDS = frozenset({"0", "off", "f", "false", "n", "no"})
