"""From arrays, generators and photographs to checked batches, and scores of a model on them."""
