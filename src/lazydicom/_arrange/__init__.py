"""From images to a grid: a new kind of object is a new function here."""
