"""What happened in a run? Its folder, configuration, store and result."""
