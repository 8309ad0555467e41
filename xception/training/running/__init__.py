"""A model in training: one step after another."""
