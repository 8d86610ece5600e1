"""Observe only: everything passes, while the default law runs and reports what it would have done."""

from collections.abc import Mapping

from concur_proxy.control.laws import tokens
from concur_proxy.control.options import OptionValue, read_options


class Off(tokens.Tokens):
    """`tokens` whose window holds nobody."""

    enforces = False


def build(options: Mapping[str, OptionValue]) -> Off:
    """The law with the options of `tokens`."""
    return Off(read_options(tokens.TokensOptions, options))
