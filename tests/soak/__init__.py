"""A soak with a schedule of faults: `python -m tests.soak --minutes 60` prints Markdown tables.

Two gateway processes share a Redis with a replica and a Sentinel. Behind them are two emulated engines, one of which
has a host name, a hostile engine, and a real vLLM if it is installed and the soak takes at least five minutes. Agents
of three tenants, in families of four, work without a pause. A tenth of the requests is left by its client: with FIN,
with RST, or without reading a byte more. At intervals something breaks. A request that fails is tried again as an SDK
does.
- *what clients saw*: failed attempts from the start of the fault until no request is open after the recovery.
- *forced*: those that no gateway could have prevented, such as an answer that a killed engine had begun.
- *answers meanwhile*: their rate during the fault, compared with the highest rate before one of the faults.
- *recovery*: seconds from the end of the fault until the replicas agree again and answers come at half that rate.
- *settled*: after each recovery all agents pause; seconds until no gateway counts a request any longer.

The name of the engine changes in a mount namespace, and the clocks of gateways and Redis through a preloaded library.
Where this is not possible, the record names the faults that were left out. Uploads go to the hostile engine: a real
one needs minutes to read such a prompt.

The gateways hold at most 256 MiB of request bodies, which is the default for gateways without client keys. With client
keys, the default is a quarter of the memory, and a gateway can take that much.

Slopes are least squares over looks in the pauses, without the first quarter of each process's time. The gateways
remember 4,096 messages here. Usually it is 32,768, which is 6 MB at most: with this load, that table fills for ten
minutes, and again after each flood, which looks like growth. No other table of a gateway grows with the number of
requests.

Shares of tenants are of the tokens as fair sharing weights them: 1 for a computed one, 0.1 for a cached one, 2 for a
generated one. Only seconds count in which all tenants wait at an engine, because a tenant for which nothing waits has
all that it asks for. Each share must be within 5 points of its weight, as in the benchmark of tenants: a place is
given for a whole session, so that shares are exact only in the long run.

A plain asyncio server in a process of its own is asked as often as the gateways' `/healthz`. What its longest answer
takes in the same second is the machine's part. Only the rest is judged.

The exit status is 1 if a rule of the last table or a recovery did not hold, or a client saw an error that was not
forced.
"""

from tests.soak.command import main

__all__ = ["main"]
