"""Bazel 4.2 has these rules built in; newer rule sets would have to be downloaded."""

def proto_library(**kwargs):
    native.proto_library(**kwargs)

def proto_lang_toolchain(**kwargs):
    native.proto_lang_toolchain(**kwargs)
