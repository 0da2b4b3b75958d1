"""Accuracy: data, training and evaluation of context modules inside a segmentation network."""
