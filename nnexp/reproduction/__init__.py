"""The book's figures: what was published, and how near a run comes to it."""
