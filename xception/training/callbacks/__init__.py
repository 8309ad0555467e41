"""Callbacks, the history of training, and its curves."""
