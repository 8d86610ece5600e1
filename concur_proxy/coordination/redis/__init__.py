"""How gateways reach each other through Redis. `concur_proxy.coordination.protocol` defines what they send."""
