"""Watches the engines: scrapes, health checks and circuits, and the control loop that moves each window."""
