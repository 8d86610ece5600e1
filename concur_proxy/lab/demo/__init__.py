"""`concur-proxy demo`: the same fleet of agents without control and through the gateway, in virtual time and live."""
