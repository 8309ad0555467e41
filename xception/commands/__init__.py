"""What the commands do; `cli` parses their arguments and calls them."""
