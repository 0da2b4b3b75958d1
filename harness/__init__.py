"""Benchmarks and ablations of the context modules of semantic segmentation."""
