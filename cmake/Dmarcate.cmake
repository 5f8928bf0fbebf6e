# dmarcate_library, dmarcate_binary, dmarcate_test, dmarcate_proto: one directory, one target.
#
# Every call is also recorded, and dmarcate_finish() renders the recorded targets of each directory as
# Bazel's BUILD.bazel beside its CMakeLists.txt. So the two builds cannot drift: `./dev bazel --sync`
# writes the files (-DDMARCATE_WRITE_BAZEL=ON), and the test check_bazel compares them.
#
# DEPS of the form dmarcate::NAME are our own targets, everything else is a CMake target of a Debian
# package, mapped to Bazel's @sys in _dmarcate_bazel_system below.

include(CMakeParseArguments)
include(Precompiled)
option(DMARCATE_WRITE_BAZEL "Write BUILD.bazel beside each CMakeLists.txt" OFF)

function(_dmarcate_record kind name)
  cmake_parse_arguments(ARG "" "" "SRCS;HDRS;EMBED;DEPS;DATA;LABELS" ${ARGN})
  file(RELATIVE_PATH package ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set_property(GLOBAL APPEND PROPERTY DMARCATE_TARGETS ${name})
  set_property(GLOBAL PROPERTY DMARCATE_${name}_KIND ${kind})
  set_property(GLOBAL PROPERTY DMARCATE_${name}_PACKAGE "${package}")
  foreach(part SRCS HDRS EMBED DEPS DATA LABELS)
    set_property(GLOBAL PROPERTY DMARCATE_${name}_${part} "${ARG_${part}}")
  endforeach()
endfunction()

# dmarcate_library(NAME [PURE] SRCS ... HDRS ... [EMBED ...] DEPS ...)
# PURE: the directory does no IO and reads no clock; tests/check_pure.sh greps it.
# EMBED: text files that the sources include as string literals, FILE as "DIRECTORY/FILE.inc".
function(dmarcate_library name)
  cmake_parse_arguments(ARG "PURE" "" "SRCS;HDRS;EMBED;DEPS" ${ARGN})
  file(RELATIVE_PATH package ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(embedded)
  foreach(file IN LISTS ARG_EMBED)
    set(from ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    set(to ${CMAKE_BINARY_DIR}/gen/${package}/${file}.inc)
    add_custom_command(OUTPUT ${to}
      COMMAND ${CMAKE_COMMAND} -DFROM=${from} -DTO=${to} -P ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake
      DEPENDS ${from} ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake
      COMMENT "embed ${package}/${file}" VERBATIM)
    list(APPEND embedded ${to})
  endforeach()
  if(ARG_SRCS)
    add_library(${name} STATIC ${ARG_SRCS} ${ARG_HDRS} ${embedded})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    if(embedded)
      target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/gen)
    endif()
    target_link_libraries(${name} PUBLIC ${ARG_DEPS})
    dmarcate_precompile(${name} library ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE ${ARG_HDRS})
    target_include_directories(${name} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} INTERFACE ${ARG_DEPS})
  endif()
  add_library(dmarcate::${name} ALIAS ${name})
  if(ARG_PURE)
    set_property(GLOBAL APPEND PROPERTY DMARCATE_PURE_DIRECTORIES ${package})
  endif()
  _dmarcate_record(library ${name} SRCS ${ARG_SRCS} HDRS ${ARG_HDRS} EMBED ${ARG_EMBED} DEPS ${ARG_DEPS})
endfunction()

# dmarcate_binary(NAME SRCS ... DEPS ...): the program ends up in build/bin/NAME.
function(dmarcate_binary name)
  cmake_parse_arguments(ARG "" "" "SRCS;HDRS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS} ${ARG_HDRS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  dmarcate_precompile(${name} library ${ARG_DEPS})
  _dmarcate_record(binary ${name} SRCS ${ARG_SRCS} HDRS ${ARG_HDRS} DEPS ${ARG_DEPS})
endfunction()

# dmarcate_test(NAME SRCS ... DEPS ... [DATA ...] [LABELS ci|long ...] [TIMEOUT seconds] [SUITE name] [ALONE])
# One GoogleTest program, one ctest entry. It runs in the project's root and finds test data there.
# LABELS `ci` (the default) runs in `./dev test`; `integration` marks tests which start real servers
# and is left out of Bazel's run. SUITE: also runs as NAME_<suite> with DMARCATE_SUITE=<suite>, by which
# the test takes its full counts; `./dev test --suite <suite>` runs those. ALONE: bounds processor time, which
# a neighbour on the same core would lengthen, so ctest and Bazel run nothing beside it.
function(dmarcate_test name)
  cmake_parse_arguments(ARG "ALONE" "TIMEOUT;SUITE" "SRCS;HDRS;DEPS;DATA;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS ci)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SRCS} ${ARG_HDRS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock_main)
  dmarcate_precompile(${name} test ${ARG_DEPS})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "DMARCATE_BIN=${CMAKE_BINARY_DIR}/bin" RUN_SERIAL ${ARG_ALONE})
  if(ARG_SUITE)
    add_test(NAME ${name}_${ARG_SUITE} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name}_${ARG_SUITE} PROPERTIES LABELS "long;${ARG_SUITE}" TIMEOUT 7200
      ENVIRONMENT "DMARCATE_BIN=${CMAKE_BINARY_DIR}/bin;DMARCATE_SUITE=${ARG_SUITE}" RUN_SERIAL ${ARG_ALONE})
  endif()
  _dmarcate_record(test ${name} SRCS ${ARG_SRCS} HDRS ${ARG_HDRS} DEPS ${ARG_DEPS} DATA ${ARG_DATA}
                   LABELS ${ARG_LABELS})
  set_property(GLOBAL PROPERTY DMARCATE_${name}_ALONE ${ARG_ALONE})
endfunction()

# dmarcate_proto(NAME [GRPC] PROTOS a/v1/a.proto ... ) with paths relative to proto/.
# CMake's own protobuf_generate() places output by the current directory and reruns needlessly.
function(dmarcate_proto name)
  cmake_parse_arguments(ARG "GRPC" "ROOT" "PROTOS;DEPS" ${ARGN})
  set(root ${CMAKE_SOURCE_DIR}/proto)
  if(ARG_ROOT)
    set(root ${ARG_ROOT})
  endif()
  set(generated ${CMAKE_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${generated})
  set(sources)
  set(all ${ARG_PROTOS})
  list(TRANSFORM all PREPEND ${root}/)
  foreach(proto IN LISTS ARG_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" base ${proto})
    set(outputs ${generated}/${base}.pb.cc ${generated}/${base}.pb.h)
    set(grpc)
    if(ARG_GRPC)
      list(APPEND outputs ${generated}/${base}.grpc.pb.cc ${generated}/${base}.grpc.pb.h)
      set(grpc --grpc_out=${generated} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(OUTPUT ${outputs}
      COMMAND protobuf::protoc -I ${root} --cpp_out=${generated} ${grpc} ${proto}
      DEPENDS ${all} protobuf::protoc gRPC::grpc_cpp_plugin
      COMMENT "protoc ${proto}" VERBATIM)
    list(APPEND sources ${outputs})
  endforeach()
  add_library(${name} STATIC ${sources})
  # Generated code is not held to our warnings.
  target_compile_options(${name} PRIVATE -w)
  target_include_directories(${name} SYSTEM PUBLIC ${generated})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} gRPC::grpc++ protobuf::libprotobuf)
  add_library(dmarcate::${name} ALIAS ${name})
  set(kind proto)
  if(ARG_GRPC)
    set(kind grpc_proto)
  endif()
  if(ARG_ROOT)
    set(kind system_proto)
  endif()
  _dmarcate_record(${kind} ${name} SRCS ${ARG_PROTOS} DEPS ${ARG_DEPS})
endfunction()

# Called once at the end of the top CMakeLists.txt: renders BUILD.bazel files.
function(dmarcate_finish)
  include(Bazel OPTIONAL)
  if(COMMAND dmarcate_render_bazel)
    dmarcate_render_bazel()
  endif()
  get_property(pure GLOBAL PROPERTY DMARCATE_PURE_DIRECTORIES)
  string(REPLACE ";" "\n" pure "${pure}")
  file(WRITE ${CMAKE_BINARY_DIR}/pure_directories.txt "${pure}\n")
endfunction()
