"""Console and notebook output: progress bars, text that is safe on a terminal, HTML fragments."""
