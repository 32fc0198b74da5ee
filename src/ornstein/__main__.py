"""``python -m ornstein`` is the command line."""

from ornstein.cli import main

main()
