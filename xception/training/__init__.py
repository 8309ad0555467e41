"""Training: a softmax classifier for your own classes, on features of the ImageNet base."""
