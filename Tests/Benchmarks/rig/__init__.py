"""What every measurement stands on: the edge, the peers, the upstream, the load, and the kernel's accounts."""
