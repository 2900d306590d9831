"""The client and the elements of `static/`, in a real browser on a page of another origin, before a real service."""
