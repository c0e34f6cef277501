"""What is counted and measured on every sample."""
