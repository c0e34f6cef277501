"""From simulated scenes to a teacher, a point estimate and students."""
