"""What can be set? Every setting of every command, declared once."""
