"""A soak with a schedule of faults: `python -m tests.soak --minutes 60` prints Markdown tables.

Two gateway processes share a Redis, in front of two emulated engines and a hostile one. Agents of three tenants, in
families of four, work without a pause. A tenth of the requests is left by its client: with FIN, with RST, or without
reading a byte more. At intervals something breaks. A request that fails is tried again as an SDK does.
- *errors*: failed attempts from the start of the fault until no request is open after the recovery.
- *forced*: those that no gateway could have prevented, such as an answer that a killed engine had begun.
- *recovery*: seconds from the end of the fault until the replicas agree again and answers come at half the rate from
  before. After each recovery all agents pause; then no gateway may still count a request.

Tables of slopes follow (least squares after the warm-up), and what must hold all the time. The exit status is 1 if
something did not hold. Real vLLM is not part of the load.
"""

from tests.soak.command import main

__all__ = ["main"]
