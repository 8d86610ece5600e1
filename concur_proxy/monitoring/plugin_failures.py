"""Plug-ins that fail while the gateway runs. What they were to decide is decided without them."""

import logging
from collections import Counter
from typing import Any

from concur_proxy.plugins import PluginKind

logger = logging.getLogger(__name__)


class PluginFailures:
    """Counts the failures, and logs the first one of each plug-in."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """Failures by the kind's title and the plug-in's name."""

    def expect(self, kind: PluginKind[Any], name: str) -> None:
        """The plug-in is in use: show that it has not failed yet."""
        self.counts[kind.title, name] += 0

    def note(self, kind: PluginKind[Any], name: str, instead: str, error: Exception) -> None:
        """The plug-in has failed. `instead` is what decides in its place."""
        self.counts[kind.title, name] += 1
        if self.counts[kind.title, name] == 1:
            logger.warning(
                "%s %s failed: %s; further failures are only counted", kind.title, name, instead, exc_info=error
            )
