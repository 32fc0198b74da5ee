"""The log of requests, decisions and hashes: nobody changes it unseen, and what is personal can be erased from it."""

from ornstein.guard.records.entry import Entry, Event, Settings
from ornstein.guard.records.files import RecordError
from ornstein.guard.records.log import RecordLog, default_folder, verify
from ornstein.guard.records.verify import Problem

__all__ = ["Entry", "Event", "Problem", "RecordError", "RecordLog", "Settings", "default_folder", "verify"]
