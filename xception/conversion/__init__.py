"""Conversion of models between frameworks, and the comparison of their answers, layer by layer."""
