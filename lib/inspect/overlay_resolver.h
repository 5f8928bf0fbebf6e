// lib/inspect/overlay_resolver.h
// The live DNS as it would be with other TXT records at some names: to count and to prove what is
// not published yet.

#ifndef DMARCATE_LIB_INSPECT_OVERLAY_RESOLVER_H_
#define DMARCATE_LIB_INSPECT_OVERLAY_RESOLVER_H_

#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"

namespace dmarcate {

// Each name's one TXT record; empty: the name does not exist.
using TxtOverlay = std::map<DomainName, std::string>;

// Answers TXT questions about names of the overlay from it; asks `live` everything else.
class OverlayResolver final : public Resolver {
 public:
  OverlayResolver(Resolver& live, TxtOverlay overlay) : live_(live), overlay_(std::move(overlay)) {}

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    const auto found = overlay_.find(name);
    if (type != RrType::kTxt || found == overlay_.end()) return live_.Lookup(name, type);
    DnsAnswer answer;
    answer.type = type;
    if (found->second.empty()) return answer;
    answer.outcome = DnsOutcome::kRecords;
    answer.txt.push_back(MakeTxtRecord(found->second));
    return answer;
  }

 private:
  Resolver& live_;
  const TxtOverlay overlay_;
};

// Asks each question once: what is compared is made from the same answers. An error is one, too.
// Not thread-safe.
class OnceResolver final : public Resolver {
 public:
  explicit OnceResolver(Resolver& live) : live_(live) {}

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    const auto found = answers_.find({name, type});
    if (found != answers_.end()) return found->second;
    return answers_.emplace(std::pair(name, type), live_.Lookup(name, type)).first->second;
  }

 private:
  Resolver& live_;
  std::map<std::pair<DomainName, RrType>, absl::StatusOr<DnsAnswer>> answers_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_OVERLAY_RESOLVER_H_
