"""The command line: a parser, and one module per command, named as the command."""
