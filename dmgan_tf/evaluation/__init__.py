"""Images scored: from a model, a folder or a data set, to numbers with their names and reasons."""
