"""How a request's wait ended."""

from enum import Enum


class Outcome(Enum):
    """What was decided on a ticket. The value is the metric label."""

    ADMITTED = "admitted"
    QUEUE_FULL = "queue_full"
    HOLD_TIMEOUT = "hold_timeout"
    CLIENT_GONE = "client_gone"
    DRAINING = "draining"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    """The prompt is certainly longer than the model's context. It did not wait."""
