"""Visual explanations: maps of the parts of a photograph that support a class."""
