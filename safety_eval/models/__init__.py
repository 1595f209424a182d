"""Models as they come from their packages: loaded from disk, checked, without pickles and without the network."""
