"""HDF5 files, read as data from a stranger."""
