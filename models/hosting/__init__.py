"""Models answer in processes of their own, small and confined: what one does to its process harms nobody else."""
