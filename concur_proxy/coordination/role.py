"""Who decides for a replica."""

from enum import Enum


class Role(Enum):
    """How this process stands to the other replicas; the value is the metric label."""

    SINGLE = "single"
    """There are no others."""
    LEADING = "leading"
    """It decides for all."""
    FOLLOWING = "following"
    """The leader decides."""
    ALONE = "alone"
    """The shared state cannot be reached: it decides for itself, in its share of the windows."""
