"""Who is active and who waits: sessions, their requests' tickets, and the gate that admits them under a window.

Pure: every event is a method call with `now` (seconds, monotonic) and returns the tickets that it decided; nothing
here performs I/O. One writer calls it, so there are no locks. The invariants, held by the property tests: active
sessions exceed the window only while admitted ones finish what they have in flight (or while the engine demonstrably
has room); every held ticket is decided exactly once; no session is lost, counted twice or starved.
"""
