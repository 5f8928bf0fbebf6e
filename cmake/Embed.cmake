# FROM, a text file, as a string literal of C++ in TO. Bazel's genrule of cmake/Bazel.cmake does the same.
file(READ ${FROM} text)
file(WRITE ${TO} "R\"TOML(${text})TOML\"\n")
