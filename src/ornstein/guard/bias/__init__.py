"""Who is shown where nobody said who: audits of gender and skin tone, and quotas.

Read ``attributes`` and ``quotas`` for what is changed in prompts, then ``labels``, ``classifier`` and ``measure`` for
how pictures are counted, and ``audit`` for the whole. Nothing is loaded here: quotas need none of the rest.
"""
