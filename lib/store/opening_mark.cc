#include "lib/store/opening_mark.h"

#include "lib/base/file.h"
#include "lib/base/random.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMarkBytes = 16;
constexpr size_t kLimitBytes = 256;

std::string PathIn(const std::string& directory) { return directory + "/opened"; }

}  // namespace

absl::Status WriteOpeningMark(const std::string& directory) {
  SystemRandom random;
  return WriteFileAtomically(PathIn(directory), ToHex(random.Bytes(kMarkBytes)), 0640);
}

absl::StatusOr<std::string> ReadOpeningMark(const std::string& directory) {
  auto mark = ReadFile(PathIn(directory), kLimitBytes);
  if (mark.status().code() == absl::StatusCode::kNotFound) return std::string();
  return mark;
}

}  // namespace dmarcate
