// Runs a fuzz target over its seeds, tests/fuzz/corpus/NAME for the program fuzz_NAME_test, and
// over simple damage to each: cut, doubled, one octet changed. A broken property aborts.

#include <errno.h>  // program_invocation_short_name

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kMaxCuts = 512;

void Feed(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST(Replay, Seeds) {
  std::string name = program_invocation_short_name;
  const std::string_view prefix = "fuzz_";
  const std::string_view suffix = "_test";
  ASSERT_TRUE(name.starts_with(prefix) && name.ends_with(suffix)) << name;
  name = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/" + name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string seed((std::istreambuf_iterator<char>(file)), {});
    Feed(seed);
    Feed(seed + seed);
    const size_t step = seed.size() / kMaxCuts + 1;
    for (size_t i = 0; i < seed.size(); i += step) {
      Feed(seed.substr(0, i));
      std::string changed = seed;
      changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
      Feed(changed);
    }
    ++seeds;
  }
  EXPECT_GT(seeds, 0) << "no seeds for " << name;
}

}  // namespace
