"""Where a picture may come from: a copy descriptor, an index of what was trained on, and a calibrated threshold.

Start with ``Sources``. What it finds is similar to a training picture; that it derives from it, nobody can tell.
"""
