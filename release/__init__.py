"""Building, checking and trying what is released."""
