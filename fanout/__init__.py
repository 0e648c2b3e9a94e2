"""Fan-out: brings posts, and changes of what they show, into timelines."""
