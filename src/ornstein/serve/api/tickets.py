"""Links that open one picture without a key, for a while."""

from __future__ import annotations

import hashlib
import hmac
import time


def sign(secret: bytes, output: str, expires: int) -> str:
    """The signature of a link to an output that opens until `expires`, seconds since 1970."""
    return hmac.new(secret, f"{output}|{expires}".encode(), hashlib.sha256).hexdigest()


def link(secret: bytes, base: str, output: str, seconds: float) -> str:
    """The address of an output's file at a server, open to whoever has it for so many seconds."""
    expires = int(time.time() + seconds)
    return f"{base}/v1/outputs/{output}/content?expires={expires}&signature={sign(secret, output, expires)}"


def opens(secret: bytes, output: str, expires: int | None, signature: str | None) -> bool:
    """Whether a link is one of ours, and not too old."""
    if expires is None or signature is None or expires < time.time():
        return False
    return hmac.compare_digest(sign(secret, output, expires).encode(), signature.encode())
