"""The studio's database: corrections that people made, what models say of them, and the retrainings that followed."""
