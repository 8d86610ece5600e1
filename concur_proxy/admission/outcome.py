"""How a request's wait ended."""

from enum import Enum


class Outcome(Enum):
    """The one word for a ticket's fate: return value, metric label and key of the HTTP answer. The value is the
    label.
    """

    ADMITTED = "admitted"
    QUEUE_FULL = "queue_full"
    HOLD_TIMEOUT = "hold_timeout"
    CLIENT_GONE = "client_gone"
    DRAINING = "draining"
