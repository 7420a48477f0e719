"""`python -m lazydicom` is the command `lazydicom`."""

from lazydicom.cli import main

if __name__ == "__main__":
    main(prog_name="lazydicom")
