"""Which session a request belongs to. Pure: no I/O, no clock."""
