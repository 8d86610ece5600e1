"""How replicas reach each other through Redis; see `concur_proxy.coordination.protocol` for what they say."""
