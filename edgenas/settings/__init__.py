"""What can be asked for? Every setting of every command, declared once."""
