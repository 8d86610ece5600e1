"""Several gateways as one: what they tell each other, and what each does upon it. Pure: how messages travel, and who
leads, is decided elsewhere.

One process, the leader, decides for all; the others, and the leader's own requests as well, put their requests to it.
Nothing that only one process knows is needed to go on without it: what a replica has in hand, it claims anew from every
leader, and what no replica has in hand, idle sessions, is kept in a store that every leader reads first.
"""
