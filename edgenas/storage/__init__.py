"""What has happened? A run's folder, its configuration, its store and its result."""
