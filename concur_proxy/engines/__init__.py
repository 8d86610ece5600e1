"""Inference engines: what differs from one kind to the next, and how their metrics are read.

This package is pure: text and plain values in, plain values out. `concur_proxy.monitoring` asks the servers.
"""
