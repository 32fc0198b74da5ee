"""What stands around a model so that its owner can answer for what it makes.

A guard wraps a model; the model knows no guard. Start with ``policy.Policy`` and ``guarded.Guarded``, which read in the
order a request meets them: ``asking`` (prompts), ``outputs`` (pictures), ``publish`` (marks and signatures), and
``records`` throughout. ``trace``, ``bias`` and ``documents`` answer questions about a model itself.
"""
