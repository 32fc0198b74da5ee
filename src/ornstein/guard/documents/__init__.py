"""Documents about a model, made from what its bundle knows: cards, summaries, bills of materials, a log of risks.

Nothing is invented: a field without data says so, and says what would fill it. Start with ``build``.
"""
