"""Choose hyper-parameters by the chapter's protocol, and document every decision.

Each stage consists of a pure rule and the trials that it needs, which are ordinary runs.
"""
