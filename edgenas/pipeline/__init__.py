"""How is a search carried out? Its phases in order, each resuming from what earlier sessions committed."""
