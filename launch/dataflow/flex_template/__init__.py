"""The job as a Flex Template: started from the console or by `gcloud`, without a checkout."""
