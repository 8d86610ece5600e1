"""Two gateways over a real Redis share an engine between tenants as one gateway does.

`python -m tests.benchmarks.tenants_over_http` measures the same for longer, with a larger flood.
"""

import pytest

from tests.benchmarks.tenants_over_http import run


async def test_two_gateways_keep_the_weights_of_tenants() -> None:
    shared = await run(2, 3.0, large=60, measured_s=3.0, settle_s=1.0)
    assert shared.share == pytest.approx(0.75, abs=0.1)
    assert shared.longest_wait_s("small") < shared.longest_wait_s("large")
    assert (shared.failed, max(0.0, shared.above)) == (0, 0.0)
