"""Imported before the peers: ends with one line that says what to install where they are missing."""

import sys
from importlib.util import find_spec

if find_spec("diffusers") is None:
    sys.exit('error: diffusers is not installed; run: pip install -e ".[peers,eval]"')
