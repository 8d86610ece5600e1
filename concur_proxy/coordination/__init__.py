"""Who decides on admission: this process alone, or one of several gateways that share a Redis."""
