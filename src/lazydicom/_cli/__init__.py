"""The subcommands of `lazydicom`, one file each."""
