"""Model bundles: folders of safetensors and JSON, checked before use.

The submodules are imported by name, so that reading a card never imports torch:
``card`` and ``catalogue`` are light, ``bundle`` and ``write`` need torch.
"""
