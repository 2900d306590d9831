"""The handlers that come with Tidings, one kind a module. They import `workers`, and nothing else of ours."""
