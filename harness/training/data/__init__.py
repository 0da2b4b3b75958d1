"""Labelled images to train on: the procedural `scenes` and six real data sets."""
