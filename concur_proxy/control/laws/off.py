"""Observe only: everything passes, while the paper's law runs and reports what it would have done."""

from collections.abc import Mapping

from concur_proxy.control.laws import aimd
from concur_proxy.control.options import OptionValue, read_options


class Off(aimd.Aimd):
    """`aimd` whose window holds nobody."""

    enforces = False


def build(options: Mapping[str, OptionValue]) -> Off:
    """The law with the options of `aimd`."""
    return Off(read_options(aimd.AimdOptions, options))
