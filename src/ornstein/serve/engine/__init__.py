"""One network for everybody who asks at once: ``engine.Engine`` makes pictures of many callers step by step together.

``queue`` says whose turn it is, ``picture`` is one picture on its way, ``gather`` makes one network call of what all
pictures ask at a moment, ``caller`` is the side of those who wait.
"""
