"""The whole job on this machine: its Pub/Sub, its folder of images, and what is shown of it."""
