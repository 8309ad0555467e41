"""Division of photographs into training and validation, with copies and groups on one side."""
