"""The models that can be named instead of given by path, and the small one that comes with the package."""
