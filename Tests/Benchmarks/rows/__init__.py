"""The rows of the table, in its order."""

from . import connections, gateway, large, latency, memory, small, streams
from .row import Figure, Row

ALL: list[Row] = [
    *small.ROWS,
    *streams.COST,
    *connections.ROWS,
    *large.ROWS,
    *memory.ROWS,
    *latency.ROWS,
    *streams.STALLS,
    *gateway.ROWS,
]

__all__ = ["ALL", "Figure", "Row"]
