"""What open requests hold, as metrics."""

from prometheus_client import CollectorRegistry, generate_latest

from concur_proxy.admission.tenant_totals import MOST_SHOWN
from concur_proxy.telemetry.holdings import HoldingsCollector


def test_labels_are_bounded_and_stay() -> None:
    rows = [("blue", 2, 10)]
    registry = CollectorRegistry()
    registry.register(HoldingsCollector(lambda: rows, lambda: 99))
    assert 'concur_tenant_open_requests{tenant="blue"} 2.0' in generate_latest(registry).decode()
    rows[:] = [(f"t{number}", 1, 3) for number in range(2 * MOST_SHOWN)]
    generate_latest(registry)
    rows[:] = [(f"u{number}", 1, 3) for number in range(2 * MOST_SHOWN)]
    text = generate_latest(registry).decode()
    assert text.count("concur_tenant_open_requests{") == MOST_SHOWN + 1
    assert 'concur_tenant_open_requests{tenant="blue"} 0.0' in text
    assert f'concur_tenant_open_requests{{tenant="(others)"}} {2.0 * MOST_SHOWN}' in text
    assert f"concur_buffered_bytes {6.0 * MOST_SHOWN}" in text
    assert "concur_buffered_bytes_limit 99.0" in text
