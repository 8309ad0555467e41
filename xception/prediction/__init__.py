"""A model and how it is used: from photographs to class names and scores, and how often they are right."""
