"""The cost of a change, posted as one comment on its pull request or merge request."""
