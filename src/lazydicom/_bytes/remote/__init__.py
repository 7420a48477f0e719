"""Byte ranges over a network, each answer checked."""
