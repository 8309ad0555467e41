"""Visual explanations: maps of what in a photograph speaks for a class."""
