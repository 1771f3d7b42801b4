"""Networks as functions of one parameter vector: arrays in, arrays out."""
