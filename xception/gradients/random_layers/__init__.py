"""Rules of the layers that act at random in training, by Keras's definitions."""
