"""The parts that own a clock, a socket or a task: they feed the pure core and carry out what it decides."""
