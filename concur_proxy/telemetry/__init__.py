"""What the gateway reports: metrics, log lines, spans and recordings."""
