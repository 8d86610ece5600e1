"""Observe only: every request passes, while the default law runs and reports what it would have done."""

from collections.abc import Mapping

from concur_proxy.control.laws import tokens
from concur_proxy.control.options import OptionValue, read_options


class Off(tokens.Tokens):
    """The law `tokens`, but no session waits for its window."""

    enforces = False


def build(options: Mapping[str, OptionValue]) -> Off:
    """Make the law with the options of `tokens`."""
    return Off(read_options(tokens.TokensOptions, options))
