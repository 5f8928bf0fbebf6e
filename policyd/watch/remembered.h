// policyd/watch/remembered.h
// What the watch has seen, as a resolver: so that what judges the live DNS judges a memory of it,
// too, and asks nobody. Pure.

#ifndef DMARCATE_POLICYD_WATCH_REMEMBERED_H_
#define DMARCATE_POLICYD_WATCH_REMEMBERED_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/observation_store.h"

namespace dmarcate {

// A look that is older says nothing about now.
inline constexpr absl::Duration kRememberedFor = absl::Hours(3 * 24);

// What the last look at a name brought, of TXT records.
//   kUnavailable        nobody has looked within kRememberedFor, or the servers failed
//   kDeadlineExceeded, kDataLoss  no server answered; DNSSEC says bogus
//   kResourceExhausted  not all values were kept
absl::StatusOr<DnsAnswer> RememberedTxt(const std::vector<Observation>& history, absl::Time now);

using RememberedAnswers = std::map<DomainName, absl::StatusOr<DnsAnswer>>;

// Answers TXT questions from `answers`, which outlives it. Everything else is unknown, but for
// addresses with kTellExistence.
class RememberedResolver final : public Resolver {
 public:
  // kTellExistence: a question for addresses is answered as if there were none, where TXT says that
  // the name exists, and with NXDOMAIN where it does not. For who asks only whether a name exists.
  enum class Addresses : bool { kUnknown, kTellExistence };

  RememberedResolver(const RememberedAnswers& answers, Addresses addresses)
      : answers_(answers), addresses_(addresses) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override;

  // Names asked for TXT at which nobody has ever looked, and those where a look learned nothing.
  const std::set<DomainName>& missing() const { return missing_; }
  const std::set<DomainName>& unknown() const { return unknown_; }
  bool AllKnown() const { return missing_.empty() && unknown_.empty(); }

 private:
  const RememberedAnswers& answers_;
  const Addresses addresses_;
  std::set<DomainName> missing_, unknown_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_REMEMBERED_H_
