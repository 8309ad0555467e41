"""What is shown: progress, plain text that is safe on a terminal, and HTML for notebooks."""
