"""What do the settings stand for? Devices, spaces, weights and images, from their names or as objects."""
