"""How does a file become pixels? Folders, formats and depths, fitting to a square, the cache of what was decoded."""
