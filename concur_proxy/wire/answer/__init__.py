"""Reading and writing answers: token usage, event streams, and the gateway's own errors in each API's shape."""
