class ClientGone(Exception):
    """The other side closed the connection or reset the stream."""
