"""How is a search carried out? Its phases in order, each going on from what an earlier session committed."""
