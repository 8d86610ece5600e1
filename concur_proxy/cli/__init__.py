"""The `concur-proxy` command. Each wrong argument or setting is reported in one line.

Each subcommand is a module with `main(arguments) -> exit status`. It is imported only when it is used.
"""
