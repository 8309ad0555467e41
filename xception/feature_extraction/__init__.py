"""Feature extraction: activations of any layers as rows of numbers, tables of them, similar photographs."""
