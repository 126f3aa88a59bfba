"""The colours of the book's figures, for light and dark pages."""

#: Name -> (on a light page, on a dark page). One meaning throughout the book.
PALETTE = {
    "none": ("#cf4706", "#ff8c1a"),  # no pooling: each group alone
    "complete": ("#07614c", "#5fe3bd"),  # complete pooling: one group
    "partial": ("#0766cd", "#5999e9"),  # partial pooling: the hierarchy
    "exact": ("#2d1aad", "#966aff"),  # computed by quadrature
    "draws": ("#805f33", "#f3ec4c"),  # estimated from MCMC draws
    "data": ("#112d50", "#94cfea"),  # what was observed
    "bad": ("#e20375", "#ff3a7d"),  # a failure
    "ink": ("#1e2228", "#e8ebf1"),  # words and outlines
    "muted": ("#6b6d76", "#93969b"),  # axes, reference lines, asides
}
