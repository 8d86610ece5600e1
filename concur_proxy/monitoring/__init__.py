"""What watches the engines: scrapes, probes, circuits, and the control loop that moves each window."""
