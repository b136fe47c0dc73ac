"""What is carried to a board? Kits that are measured there without edgenas, and their results."""
