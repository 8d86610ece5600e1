"""One request from the client's socket to the engine's and back."""
