"""What a person can do to a session."""

from enum import Enum


class Steering(Enum):
    """The one word for it: in the API, in messages between gateways, and in the log."""

    PAUSE = "pause"
    """Give its place up at its step boundary, and get none until it is resumed by hand."""
    RESUME = "resume"
    """Be as any other again."""
    PRIORITISE = "prioritise"
    """Stand before all others, in the line and in the places."""
    END = "end"
    """Be over, at once or with its last answer."""
