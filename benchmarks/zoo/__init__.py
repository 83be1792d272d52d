"""Every architecture of `keras.applications`, as people save it: is it accepted, by what engine, at what cost?"""
