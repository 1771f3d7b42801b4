"""Choosing hyper-parameters by the chapter's protocol, every decision with its reasons.

Each stage is a rule, pure, and the trials that it asks for. Trials are ordinary runs.
"""
