// What a mail server says never takes more memory than the limits allow, and where the bytes are
// cut on their way changes nothing.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "lib/imap/response.h"

namespace {

constexpr dmarcate::ImapAnswerLimits kLimits = {
    .line_bytes = 1000, .literal_bytes = 1000, .responses = 50};

std::vector<std::string> ReadAll(std::string_view bytes, size_t step) {
  std::vector<std::string> out;
  dmarcate::ImapResponseReader reader(
      [&bytes, step](char* buffer, size_t size) -> absl::StatusOr<size_t> {
        const size_t count = std::min({step, size, bytes.size()});
        bytes.copy(buffer, count);
        bytes.remove_prefix(count);
        return count;
      });
  reader.Begin(kLimits);
  size_t literals = 0;
  while (true) {
    auto response = reader.Next();
    if (!response.ok()) return out;
    if (response->text.size() != response->literals.size() + 1) std::abort();
    size_t line = 0;
    for (const std::string& text : response->text) line += text.size();
    for (const std::string& literal : response->literals) literals += literal.size();
    if (line > kLimits.line_bytes || literals > kLimits.literal_bytes) std::abort();
    if (out.size() > kLimits.responses) std::abort();
    out.push_back(response->text[0]);
    if (const auto status = dmarcate::ParseStatusLine(*response)) {
      out.back() += status->code;
    }
    const auto item = dmarcate::ParseFetch(*std::move(response));
    if (item.ok() && item->has_value() && (*item)->body) {
      if (!(*item)->has_body || (*item)->body->size() > 1000) std::abort();
      out.back() += *(*item)->body;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (ReadAll(bytes, size + 1) != ReadAll(bytes, 1)) std::abort();
  return 0;
}
