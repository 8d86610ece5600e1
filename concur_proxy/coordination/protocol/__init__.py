"""Several gateways that act as one: what they send each other, and what each of them does with it.

This room is pure: `coordination.redis` decides how messages travel and who leads. One gateway, the leader, decides for
all. The others hand their requests to it, and so does the leader with its own.

If any gateway is lost, the others can go on. Every gateway reports the requests that it has in hand to each new leader.
Idle sessions, which no gateway has in hand, are kept in Redis, and each new leader reads them first.
"""
