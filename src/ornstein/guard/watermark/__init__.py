"""Marks that say where a picture comes from: in the noise it is made of, and by choice in its finished pixels.

``code.Shading`` marks noise, ``detect.detect`` looks for the mark; ``pattern.Pattern`` does both in the
pixels of any picture, ``posthoc.Posthoc`` by RivaGAN in those of large ones.
"""
