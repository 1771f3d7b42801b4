"""The native backend: training and evaluation in float32 by kernels written in C."""
