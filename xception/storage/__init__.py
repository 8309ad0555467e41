"""Rows of numbers of photographs, kept on disk: resumed after an interruption, cached by content."""
