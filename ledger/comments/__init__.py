"""What a change will cost, posted as one comment on its pull request or merge request."""
