"""One folder per engine kind. Each has `build()`, which returns an `EngineKind`."""
