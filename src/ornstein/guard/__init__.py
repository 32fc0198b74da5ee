"""What stands around a model so that its owner can answer for what it makes: policy, filters, marks, sources, records.

A guard wraps a model; the model knows no guard. Start with ``Policy`` and ``Guarded``.
"""
