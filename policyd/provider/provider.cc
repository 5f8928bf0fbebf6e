#include "policyd/provider/provider.h"

#include <algorithm>

#include "lib/base/status_macros.h"

namespace dmarcate {

std::string_view ToString(ProviderClass provider_class) {
  switch (provider_class) {
    case ProviderClass::kA:
      return "A";
    case ProviderClass::kB:
      return "B";
    case ProviderClass::kC:
      return "C";
    case ProviderClass::kD:
      return "D";
  }
  return "?";
}

absl::StatusOr<ProviderClass> ParseProviderClass(std::string_view text) {
  if (text.size() == 1 && text.front() >= 'A' && text.front() <= 'D') {
    return static_cast<ProviderClass>(text.front() - 'A' + 1);
  }
  // Whole or not at all: half a secret that strayed here would be known by nobody.
  return MakeError(
      absl::StatusCode::kInvalidArgument,
      text.size() > 20
          ? fmt::format("a class of {} octets is none of A, B, C, D", text.size())
          : fmt::format("class \"{}\" is none of A, B, C, D", EscapeForTerminal(text)));
}

bool SameTexts(const std::vector<TxtRecord>& a, const std::vector<TxtRecord>& b) {
  const auto texts = [](const std::vector<TxtRecord>& records) {
    std::vector<std::string> out;
    out.reserve(records.size());
    for (const TxtRecord& record : records) out.push_back(record.Joined());
    std::ranges::sort(out);
    return out;
  };
  return texts(a) == texts(b);
}

ProviderTest FailedTest(const absl::Status& status) {
  ProviderTest test;
  test.message = std::string(MessageOf(status));
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      test.state = ProviderTest::State::kCredentialRefused;
      break;
    case absl::StatusCode::kUnavailable:
      test.state = ProviderTest::State::kUnreachable;
      break;
    default:
      test.state = ProviderTest::State::kMisconfigured;
  }
  return test;
}

}  // namespace dmarcate
