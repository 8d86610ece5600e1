"""`python -m tests.lab.demo.slow_commands engine ...`: concur-proxy on a machine that is too slow for the engine.

The emulated engine's process stops for a while after each step, as it does when it gets no CPU. `SLOW_ABOVE` is
the highest time scale at which it keeps up.
"""

import os
import sys
import time

from concur_proxy.cli.main import main
from concur_proxy.lab.server.clockwork import Clockwork

STALL_S = 0.1

_end_step = Clockwork._end_step


def _stall(clockwork: Clockwork) -> None:
    if clockwork._time_scale > float(os.environ["SLOW_ABOVE"]):
        time.sleep(STALL_S)
    _end_step(clockwork)


if __name__ == "__main__":
    setattr(Clockwork, "_end_step", _stall)  # noqa: B010 - a method that is replaced for this process
    main(sys.argv[1:])
