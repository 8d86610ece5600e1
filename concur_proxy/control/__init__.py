"""Control laws: congestion signals in, a window over active sessions out.

Nothing here does I/O, reads a clock or knows a session's name; `now` is always passed in, in seconds of a monotonic
clock. A law is one file in `laws/` with a `build(options)` function, chosen by its module name.
"""
