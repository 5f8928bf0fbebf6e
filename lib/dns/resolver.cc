#include "lib/dns/resolver.h"

#include <algorithm>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

std::vector<std::string> JoinedSet(const std::vector<TxtRecord>& records) {
  std::vector<std::string> out;
  for (const TxtRecord& record : records) out.push_back(record.Joined());
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());  // duplicates do not exist, RFC 2181
  return out;
}

template <typename T>
std::vector<T> Sorted(std::vector<T> values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

bool Same(const DnsAnswer& a, const DnsAnswer& b) {
  return a.outcome == b.outcome && a.cname_chain == b.cname_chain &&
         JoinedSet(a.txt) == JoinedSet(b.txt) && Sorted(a.texts) == Sorted(b.texts) &&
         Sorted(a.mx) == Sorted(b.mx);
}

}  // namespace

std::string ToString(RrType type) {
  switch (type) {
    case RrType::kA:
      return "A";
    case RrType::kNs:
      return "NS";
    case RrType::kCname:
      return "CNAME";
    case RrType::kSoa:
      return "SOA";
    case RrType::kPtr:
      return "PTR";
    case RrType::kMx:
      return "MX";
    case RrType::kTxt:
      return "TXT";
    case RrType::kAaaa:
      return "AAAA";
    case RrType::kDs:
      return "DS";
    case RrType::kDnskey:
      return "DNSKEY";
    case RrType::kTlsa:
      return "TLSA";
  }
  return fmt::format("TYPE{}", static_cast<int>(type));  // RFC 3597 section 5
}

bool AuthoritativeAnswer::consistent() const {
  const DnsAnswer* first = nullptr;
  for (const ServerAnswer& server : servers) {
    if (!server.answer.ok()) continue;
    if (first == nullptr) {
      first = &*server.answer;
    } else if (!Same(*first, *server.answer)) {
      return false;
    }
  }
  return first != nullptr;
}

bool AuthoritativeAnswer::complete() const {
  return !servers.empty() &&
         std::ranges::all_of(servers, [](const ServerAnswer& s) { return s.answer.ok(); });
}

absl::StatusOr<DnsAnswer> AuthoritativeAnswer::First() const {
  for (const ServerAnswer& server : servers) {
    if (server.answer.ok()) return server.answer;
  }
  if (!servers.empty()) return servers.front().answer;
  return MakeError(absl::StatusCode::kUnavailable,
                   fmt::format("zone {}: no server was asked", zone.text()));
}

}  // namespace dmarcate
