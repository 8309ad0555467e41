"""Batches of arrays, generators and photographs, checked, and the scores of a model on them."""
