"""Licensed pictures with captions: packs, their manifests, and the laws that draw from them.

Nothing here knows of diffusion or of torch. Start with `Pack.open(folder)` and `ConceptFirst(pack)`.
"""
