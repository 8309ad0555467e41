"""Steps of a model in training."""
