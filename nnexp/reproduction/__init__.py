"""Reproduce the book's figures: plan and train their nets, and compare with published values."""
