"""Published weights of other frameworks, as model directories."""
