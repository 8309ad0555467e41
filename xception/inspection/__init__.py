"""Inspection of model files: the kind, the layers, the backbone, and the reasons why a file does not run."""
