"""`concur-proxy demo`: one fleet of agents, run twice against one engine, without control and through the gateway."""
