"""What the page does for who draws on it: how soon, how lossless, and how it looks, by a real browser."""
