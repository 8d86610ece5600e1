"""An argument parser that reports each error in one line, with advice."""

import argparse
import math
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import pairwise
from typing import NoReturn

from concur_proxy.control.quantities import seconds, size

EXIT_WRONG_USE = 2


def complain(prog: str, *problems: str) -> int:
    """Print each problem as one line on standard error; return the exit status for wrong use."""
    for problem in problems:
        print(f"{prog}: error: {problem}", file=sys.stderr)
    return EXIT_WRONG_USE


def whole_number(least: int = 0, most: float = math.inf) -> Callable[[str], int]:
    """Argument type: a whole number within bounds."""
    bounds = f", {least} or more" if most == math.inf else f" between {least} and {most:g}"

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number{bounds}, not {text!r}")
        return int(text)

    return read


def token_count(least: int = 0) -> Callable[[str], int]:
    """Argument type: a number of tokens, also as 64k."""

    def read(text: str) -> int:
        with suppress(ValueError):
            if (tokens := size(text)) >= least:
                return tokens
        raise argparse.ArgumentTypeError(f"must be a whole number or a size such as 64k, {least} or more, not {text!r}")

    return read


def time_span(text: str) -> float:
    """Argument type: seconds above 0, also as 90s or 5m."""
    try:
        value = seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from error
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return value


def number(text: str) -> float:
    """Argument type: a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")
    return value


def positive_number(text: str) -> float:
    """Argument type: a finite number above 0."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return value


class CommandParser(argparse.ArgumentParser):
    """argparse with one-line errors, and without abbreviated flags, because a new flag could make one ambiguous."""

    def __init__(self, prog: str, *, usage: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            usage=f"{prog} {usage}",
            description=description,
            epilog=epilog,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The parsed arguments; exits with one line for each unknown argument, or the first incomplete one."""
        namespace, problems = self.read_known(arguments)
        if problems:
            sys.exit(complain(self.prog, *problems))
        return namespace

    def read_known(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The parsed arguments, and one line for each that is unknown; exits if an argument is incomplete."""
        namespace, rest = self.parse_known_args(arguments)
        # what follows an unknown flag is its value
        unknown = [
            text for before, text in pairwise(["", *rest]) if text[:1] == "-" or before[:1] != "-" or "=" in before
        ]
        return namespace, [f"unknown argument {text}: {self._hint(text)}" for text in unknown]

    def _hint(self, text: str) -> str:
        near = get_close_matches(text.partition("=")[0], self._option_string_actions, n=1)
        return f"did you mean {near[0]}?" if near else f"see {self.prog} --help"

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        sys.exit(complain(self.prog, message.removeprefix("argument ")))


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the screen, up to a readable width. Names with hyphens are not split."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=min(shutil.get_terminal_size().columns, 112) - 2)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
