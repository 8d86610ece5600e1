"""The `concur-proxy` command: arguments in, one line out for each thing that is wrong with them.

Each subcommand is a module with `main(arguments) -> exit status`, imported only when it is asked for.
"""
