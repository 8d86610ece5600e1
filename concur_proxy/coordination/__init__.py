"""What decides on admission: this gateway alone, or one gateway of several that share a Redis."""
