"""The types under which a chapter's outputs carry records for the book's build."""

#: With this prefix, papermill's convention, a notebook keeps an output without showing
#: it, and myst-nb finds it.
PREFIX = "application/papermill.record/"
#: The diagnostics of a fit, from `pooling.check`.
FIT = "pooling.fit"
#: A number for the text, from `pooling.glue`.
GLUED = PREFIX + "vnd.pooling.glue+json"
#: The answers of an exercise, from `pooling.exercises.expect`.
EXERCISE = PREFIX + "vnd.pooling.exercise+json"
#: A model, from `pooling.models.describe`.
MODEL = PREFIX + "vnd.pooling.model+json"
