"""One engine kind a file. Each has `build()`, which makes its `EngineDialect`."""
