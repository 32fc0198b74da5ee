"""What was asked, what was made of it, what was decided and what it cost: a database, and a store of the files."""

from ornstein.serve.books.books import Books
from ornstein.serve.books.database import BooksDownError, BooksError
from ornstein.serve.books.keys import LOCAL, Key, Keys, Limits
from ornstein.serve.books.limits import Allowance, RateLimit
from ornstein.serve.books.replies import Again, Replies, Reply
from ornstein.serve.books.store import Store, StoreError
from ornstein.serve.books.values import Accepted, Charge, CostLine, Entry, Erased, Made

__all__ = [
    "LOCAL", "Accepted", "Again", "Allowance", "Books", "BooksDownError", "BooksError", "Charge", "CostLine", "Entry",
    "Erased", "Key", "Keys", "Limits", "Made", "RateLimit", "Replies", "Reply", "Store", "StoreError",
]  # fmt: skip
