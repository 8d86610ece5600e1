"""Where sessions' places are kept. One store a file in `backends/`, chosen by its module name."""
