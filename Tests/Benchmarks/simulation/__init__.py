"""A fleet of edges that speak the control link and serve nobody, so that many fit into one process."""
