"""protoc with the system's compiler and plugin, for protos below proto/ and for Debian's google/rpc."""

_GOOGLEAPIS = "/usr/share/gocode/src/github.com/gogo/googleapis"

def _outputs(ctx, base):
    suffixes = [".pb.h", ".pb.cc"] + ([".grpc.pb.h", ".grpc.pb.cc"] if ctx.attr.grpc else [])
    return [ctx.actions.declare_file(base + suffix) for suffix in suffixes]

def _protoc_impl(ctx):
    outs = []
    package = ctx.label.package
    out_root = ctx.bin_dir.path + "/" + package
    grpc = ""
    if ctx.attr.grpc:
        grpc = "--grpc_out={} --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin".format(out_root)
    jobs = [(ctx.attr.root, name, []) for name in ctx.attr.protos]
    jobs += [(package, src.short_path[len(package) + 1:], ctx.files.imports) for src in ctx.files.srcs]
    for root, name, inputs in jobs:
        these = _outputs(ctx, name[:-len(".proto")])
        outs.extend(these)
        ctx.actions.run_shell(
            inputs = inputs,
            outputs = these,
            mnemonic = "Protoc",
            command = "/usr/bin/protoc -I{} --cpp_out={} {} {}".format(root, out_root, grpc, name),
        )
    return [
        DefaultInfo(files = depset(outs)),
        OutputGroupInfo(
            hdrs = depset([f for f in outs if f.path.endswith(".h")]),
            srcs = depset([f for f in outs if f.path.endswith(".cc")]),
        ),
    ]

_protoc = rule(
    implementation = _protoc_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"]),
        "imports": attr.label_list(allow_files = [".proto"]),
        "protos": attr.string_list(),
        "root": attr.string(),
        "grpc": attr.bool(),
    },
)

def _library(name):
    native.filegroup(name = name + "_hdrs", srcs = [name + "_gen"], output_group = "hdrs")
    native.filegroup(name = name + "_srcs", srcs = [name + "_gen"], output_group = "srcs")
    native.cc_library(
        name = name,
        srcs = [name + "_srcs"],
        hdrs = [name + "_hdrs"],
        includes = ["."],
        deps = ["@sys//:grpcpp"],
    )

def cc_proto(name, srcs, grpc = False):
    """Messages (and services) of our own .proto files."""
    _protoc(name = name + "_gen", srcs = srcs, imports = native.glob(["**/*.proto"]), grpc = grpc)
    _library(name)

def cc_system_proto(name, protos):
    """Messages of .proto files that Debian ships."""
    _protoc(name = name + "_gen", protos = protos, root = _GOOGLEAPIS)
    _library(name)
