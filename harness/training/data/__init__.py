"""Labelled images to train on: the procedural `scenes` and five real data sets."""
