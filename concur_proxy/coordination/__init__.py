"""What decides on admission: this gateway alone, or one of several that act as one."""
