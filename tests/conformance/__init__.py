"""Xception compared with Keras itself: Keras 3 and tf-keras, side by side in one process."""
