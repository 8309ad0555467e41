"""What training minimizes and measures: losses, metrics, targets, and the end of a model."""
