"""The comment that keeps a held request's event stream alive and tells its place; no client takes it for an event."""


def keep_alive_comment(*, position: int | None = None, expected_wait_s: float | None = None) -> bytes:
    """`: concur-proxy position=3 expected_wait_s=12` and a blank line; what is unknown is left out.

    `position` counts sessions from 1, the next to be admitted.
    """
    text = ": concur-proxy"
    if position is not None:
        text += f" position={position}"
    if expected_wait_s is not None:
        text += f" expected_wait_s={max(0, round(expected_wait_s))}"
    return f"{text}\n\n".encode()
