"""What is in a model file: its kind, its layers, its backbone, and why it does not run."""
