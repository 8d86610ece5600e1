"""What the gateway says of itself: Prometheus series and log lines."""
