# The headers of libraries, never our own, that nearly every file reads: compiled once. A build from
# nothing spends a third of its time on reading them again. Only the everyday build does that; a file
# that includes too little is found by the others, where nothing is included but what it names.
option(DMARCATE_PRECOMPILE "Compile the headers of libraries once (GCC)" OFF)

if(DMARCATE_PRECOMPILE)
  # GCC takes a precompiled header only where the macros are those with which it was made, and some
  # libraries ask for these.
  add_compile_options(-pthread)
  add_compile_definitions(_LARGEFILE64_SOURCE)
endif()

set(_dmarcate_headers_base
    <algorithm> <array> <atomic> <chrono> <cstdint> <deque> <filesystem> <functional> <map> <memory> <mutex> <optional> <set> <sstream> <string>
    <string_view> <thread> <utility> <variant> <vector>
    <absl/container/flat_hash_map.h> <absl/status/status.h> <absl/status/statusor.h> <absl/time/time.h>
    <fmt/format.h>)

# precompiled_NAME: made of `headers`, with what these link.
function(_dmarcate_precompiled name headers)
  set(source ${CMAKE_BINARY_DIR}/precompiled_${name}.cc)
  file(WRITE ${source}.new "// Carries the precompiled headers.\n")
  file(COPY_FILE ${source}.new ${source} ONLY_IF_DIFFERENT)
  add_library(precompiled_${name} OBJECT ${source})
  target_link_libraries(precompiled_${name} PRIVATE absl::flat_hash_map absl::statusor absl::time fmt::fmt ${ARGN})
  target_precompile_headers(precompiled_${name} PRIVATE ${headers})
endfunction()

if(DMARCATE_PRECOMPILE)
  _dmarcate_precompiled(base "${_dmarcate_headers_base}")
  _dmarcate_precompiled(test "${_dmarcate_headers_base};<gmock/gmock.h>;<gtest/gtest.h>" GTest::gmock)
  _dmarcate_precompiled(api
    "${_dmarcate_headers_base};<google/protobuf/duration.pb.h>;<google/protobuf/timestamp.pb.h>;<grpcpp/grpcpp.h>"
    gRPC::grpc++ protobuf::libprotobuf)
endif()

# Gives `target`, whose DEPS are the rest, the headers that are meant for its kind: library or test.
function(dmarcate_precompile target kind)
  if(NOT DMARCATE_PRECOMPILE OR NOT "${ARGN}" MATCHES "dmarcate::")
    return()
  endif()
  set(name base)
  if(kind STREQUAL "test")
    set(name test)
  elseif("${ARGN}" MATCHES "dmarcate::(api_proto|cli_support|rpc|service)(;|$)")
    set(name api)
  endif()
  file(RELATIVE_PATH directory ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  if(directory MATCHES "^tests/")
    # g++ 12 warns inside its own std::string (PR 105329), mostly of literals as tests have them, and
    # with precompiled headers forgets that it keeps silent about headers of the system.
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  target_precompile_headers(${target} REUSE_FROM precompiled_${name})
endfunction()
