"""The closed registry of network architectures: no code is ever loaded from a bundle."""
