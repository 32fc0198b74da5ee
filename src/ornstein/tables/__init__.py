"""Models of tables: what is trained, what is asked of rows, and the rows themselves."""

from ornstein.tables.model import TableModel

__all__ = ["TableModel"]
