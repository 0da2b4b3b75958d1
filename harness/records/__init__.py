"""Records and the run directory that keeps them."""
