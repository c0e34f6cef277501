"""How samples vary: where, at which size of detail, in how many ways and forms."""
