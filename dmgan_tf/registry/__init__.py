"""What a researcher may exchange: classes found by a registered name, or as `module:Class`."""
