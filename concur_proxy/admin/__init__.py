"""The gateway's own paths: health, metrics, admin API and live page."""
