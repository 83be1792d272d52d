"""The models of a studio: what is known of them, which was live when, going back to one, and vetting of uploads."""
