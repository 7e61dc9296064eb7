"""What an edge and its centre must survive: outages, cut networks, wrong clocks, damaged files, peers of another
version, bad pushes. Each test says at its head what it breaks."""
