"""Sessions that run and sessions that wait: the sessions, their requests' tickets, and the gates that admit them.

This room is pure. Every event is a method call with `now` (monotonic seconds). It returns the tickets that it decided.
One writer calls it, so there are no locks. The property tests check these invariants:

- more sessions than the window allows hold places only while the excess ones finish what they have in flight, or while
  the engine demonstrably has room;
- every waiting ticket is decided exactly once;
- no session is lost, counted twice or starved.
"""
