"""Models: a network with its parameters, with the interface of a Keras model."""
