"""The array in the language of other libraries."""
