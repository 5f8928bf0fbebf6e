// Runs a fuzz target over its seeds, tests/fuzz/corpus/NAME for the program fuzz_NAME_test, and
// over simple damage to each: cut, doubled, one octet changed. A broken property aborts.

#include <errno.h>  // program_invocation_short_name
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kMaxCuts = 512;

std::string running;  // which input it is; a signal's handler may not look for it

void TellRunning(int /*signal*/) { (void)!write(STDERR_FILENO, running.data(), running.size()); }

void Feed(const std::string& input, std::string name) {
  running = std::move(name) + "\n";
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST(Replay, Seeds) {
  std::string name = program_invocation_short_name;
  const std::string_view prefix = "fuzz_";
  const std::string_view suffix = "_test";
  ASSERT_TRUE(name.starts_with(prefix) && name.ends_with(suffix)) << name;
  name = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::signal(SIGABRT, TellRunning);
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/" + name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string seed((std::istreambuf_iterator<char>(file)), {});
    const std::string path = entry.path().string();
    Feed(seed, path);
    Feed(seed + seed, path + " twice");
    const size_t step = seed.size() / kMaxCuts + 1;
    for (size_t i = 0; i < seed.size(); i += step) {
      Feed(seed.substr(0, i), path + " cut to " + std::to_string(i));
      std::string changed = seed;
      changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
      Feed(changed, path + " with a bit of octet " + std::to_string(i) + " changed");
    }
    ++seeds;
  }
  EXPECT_GT(seeds, 0) << "no seeds for " << name;
}

}  // namespace
