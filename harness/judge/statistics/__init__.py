"""Pure numerics of measurements: no I/O, no clocks, no torch."""
