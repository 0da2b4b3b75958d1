"""The roofline model: what a machine can do at most, and how much of it a case achieves."""
