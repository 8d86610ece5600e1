"""Reading requests: paths, headers and bodies."""
