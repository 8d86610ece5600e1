"""Whole runs of agents, gateway and engines in virtual time: minutes of a cluster in seconds on one core.

No part of concur-proxy is modelled here. The engine is the emulated server's (`lab.engine`). The gate, the laws and
what reads their signals are the gateway's (`admission`, `control`, `engines`). Only HTTP is left out, and time is a
number. The scenario and the seed alone decide a run.
"""
