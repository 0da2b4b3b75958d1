"""Accuracy: data, training and evaluation of context modules inside a segmentation network.

The door is `accuracy.measure_accuracy`, which the metrics name; `source`, `checkpoint` and
`TrainingPlan.description` say which training is already kept.
"""
