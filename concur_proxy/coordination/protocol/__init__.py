"""Several gateways that act as one: what they send each other, and what each of them does with it.

This room is pure: `coordination.redis` and `coordination.workers` decide how messages travel and who leads. One
gateway, the leader, decides for all. Every gateway sends its requests to the leader; the leader itself does so too.

A request is *open* while it waits or is in flight. Any gateway can fail without harm to the others. After a change of
leader, every gateway reports its open requests to the new leader. Idle sessions have no open requests, so they are kept
in Redis or by every worker, and each new leader reads them first.
"""
