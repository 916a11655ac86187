"""One evaluation protocol each."""
