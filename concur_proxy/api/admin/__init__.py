"""What is the gateway's own: health and metrics, the admin API under `/concur/v1/`, and the live page at `/concur/`."""
