"""Real copies of an array, and what proves that they are."""
