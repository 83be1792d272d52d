"""From untrusted bytes and paths to model input: nothing here trusts what a stranger sent."""
