"""Optimizers and schedules of the learning rate, on one flat vector of variables."""
