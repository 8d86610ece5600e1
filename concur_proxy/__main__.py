"""`python -m concur_proxy` is the `concur-proxy` command."""

from concur_proxy.cli.main import main

if __name__ == "__main__":
    main()
