"""The dialects of inference engines: Prometheus text in, one `EngineSample` out. Pure; the scraper in `runtime` does
the I/O.
"""
