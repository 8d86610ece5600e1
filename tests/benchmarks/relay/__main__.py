"""Runs the benchmark."""

from tests.benchmarks.relay import main

if __name__ == "__main__":
    main()
