"""The rows of the table, in its order."""

from . import large, small, streams
from .row import Figure, Row

ALL: list[Row] = [*small.ROWS, *streams.ROWS, *large.ROWS]

__all__ = ["ALL", "Figure", "Row"]
