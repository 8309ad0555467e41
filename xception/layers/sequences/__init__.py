"""Layers for sequences: recurrent layers, attention, convolution in one dimension, every frame."""
