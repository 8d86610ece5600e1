"""Coverage-guided fuzzing of everything that reads bytes of a client or an engine: `python -m tests.fuzz`."""
