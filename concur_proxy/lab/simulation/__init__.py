"""Whole runs of agents, gateway and engines in virtual time: minutes of a cluster in seconds of one core.

Nothing here is a model of our own code. The engine is the emulated server's (`emulation`), the gate, the laws and what
reads their signals are the gateway's (`admission`, `control`, `engines`); only HTTP is left out, and time is a number.
A run is decided by its scenario and seed alone.
"""
