#include "policyd/gateway/sts_directory.h"

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/host_name.h"
#include "lib/mailauth/mta_sts_policy.h"

namespace dmarcate {
namespace {

constexpr size_t kMostTold = 1000;

}  // namespace

std::optional<std::string> StsDirectory::Find(const DomainName& domain) {
  if (domain.IsRoot() || !IsHostName(domain)) return std::nullopt;  // no '/' and no ".." is one
  const std::string path = fmt::format("{}/{}.txt", directory_, domain.text());
  absl::StatusOr<std::string> text = ReadFile(path, kMaxMtaStsPolicyOctets);
  if (text.status().code() == absl::StatusCode::kNotFound) return std::nullopt;
  if (!text.ok()) {
    Tell(path, std::string(MessageOf(text.status())));
    return std::nullopt;
  }
  if (const auto policy = ParseMtaStsPolicy(*text); !policy.ok()) {
    Tell(path, std::string(MessageOf(policy.status())));
    return std::nullopt;
  }
  return *std::move(text);
}

void StsDirectory::Tell(const std::string& path, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (told_.size() >= kMostTold) return;
    const auto [entry, first] = told_.try_emplace(path, why);
    if (!first && entry->second == why) return;
    entry->second = why;
  }
  LogWarn("mta_sts_file_not_served", {{"file", path}, {"why", why}});
}

}  // namespace dmarcate
