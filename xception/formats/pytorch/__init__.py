"""Checkpoints of PyTorch, and safetensors files: Xception as timm, Cadene and their relatives name it."""
