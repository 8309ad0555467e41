"""Data that enters and leaves: photographs, pixels, class names, and files written whole."""
