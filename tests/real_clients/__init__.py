"""Real agent clients, each in an environment of its own, run their loops through a gateway."""
