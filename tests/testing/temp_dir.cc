#include "tests/testing/temp_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "tests/testing/process.h"

namespace dmarcate::testing_support {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

}  // namespace

TempDir::TempDir() {
  const char* const base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/dmarcate-test-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr || chmod(path_.c_str(), 0755) != 0) Die(path_);
}

TempDir::~TempDir() {
  if (std::getenv("DMARCATE_KEEP_TEMP") != nullptr) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(std::string_view name, std::string_view content) const {
  const std::filesystem::path path = File(name);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!out.flush()) Die(path);
  return path;
}

void TempDir::GiveAway() const {
  if (!MayBecomeNobody()) return;
  if (lchown(path_.c_str(), kNobody, kNobody) != 0) Die(path_);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
    if (lchown(entry.path().c_str(), kNobody, kNobody) != 0) Die(entry.path());
  }
}

}  // namespace dmarcate::testing_support
