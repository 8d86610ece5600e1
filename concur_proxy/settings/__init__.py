"""Every setting of the gateway: names, kinds, sources, and where in a file each one is set."""
