"""How replicas reach each other through Redis; see `concur_proxy.replication` for what they say."""
