"""Questions that need new draws: dependence on the measurement, and self-simulation."""
