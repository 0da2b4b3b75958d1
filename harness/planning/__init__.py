"""What a suite will take before it is run: trainings, memory, time, machines and cost."""
