"""Classifiers and regressions on features, by solvers: where fine-tuning starts."""
