"""Jobs: a long list of photographs in shards, each of which becomes one file, wherever it is computed."""
