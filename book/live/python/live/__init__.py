"""The Python side of the live cells: it runs in the reader's browser."""
