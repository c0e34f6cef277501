"""Training on the user's own images: clean ones that are measured anew, or pairs."""
