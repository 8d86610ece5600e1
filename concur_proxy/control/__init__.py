"""Control laws: congestion signals in, a window on active sessions out.

A window limits how many sessions, or how many tokens of their context, may be active at one engine. A law reads one
`CongestionSignal` per engine and control interval, and answers with a `Decision`. A law is one file in `laws/` with a
`build(options)` function; its module name is the name of the law. `governor.py` protects the gateway from a law that
fails and from signals that stop coming.

This package is pure: no I/O, no clock. `now` is always passed in, in seconds of a monotonic clock.
"""
