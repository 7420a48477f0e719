"""Byte ranges over a network, each response checked."""
