"""Content Credentials (C2PA): every file says, signed, how it was made; ``verify`` says whether that can be believed.

``Signer.of(policy)`` signs, ``verify(data, Trust.find())`` judges; both work offline.
"""
