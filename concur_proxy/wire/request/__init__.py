"""Reading requests: paths, headers and bodies of the APIs that the engines speak."""
