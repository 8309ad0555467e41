"""Model zips of Deeplearning4j, 0.9.1 to 1.0.0-M2.1."""
