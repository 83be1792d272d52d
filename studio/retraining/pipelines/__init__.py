"""Which function makes what of what: a file a pipeline. The names of data are those of `conf/base/catalog.yml`."""
