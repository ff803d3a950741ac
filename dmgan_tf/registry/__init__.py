"""Replaceable classes, found by a registered name, or as `module:Class`."""
