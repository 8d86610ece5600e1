"""The settings of the gateway: their names, kinds of value and sources."""
