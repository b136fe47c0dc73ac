"""What does a person see? The report of a run: a picture of its front and an HTML page."""
