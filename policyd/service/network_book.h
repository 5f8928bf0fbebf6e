// What has been learned about addresses, where those who decide find it: one value at a time, that
// nobody changes any more. network_gatherer.h fills it.

#ifndef DMARCATE_POLICYD_SERVICE_NETWORK_BOOK_H_
#define DMARCATE_POLICYD_SERVICE_NETWORK_BOOK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policyd/analysis/declared.h"
#include "policyd/analysis/learned_forwarders.h"
#include "policyd/analysis/network_evidence.h"
#include "policyd/analysis/service_ranges.h"

namespace dmarcate {

struct NetworkView {
  std::shared_ptr<const NetworkEvidence> evidence;  // never null
  uint64_t version = 0;                             // equal versions, equal evidence
};
NetworkView NothingKnown();

// Thread-safe.
class NetworkBook {
 public:
  NetworkBook() : view_(NothingKnown()) {}

  NetworkView Get() const;
  void Put(std::shared_ptr<const NetworkEvidence> evidence);

  // The terms of a domain's own live SPF record, as they were read last; empty: none, or nothing is
  // known.
  std::vector<OwnTerm> OwnTermsOf(std::string_view domain) const;
  void PutOwnTerms(const std::string& domain, std::vector<OwnTerm> terms);

  // What the DNS of a domain says about who sends for it; nothing: it has not been asked yet.
  std::optional<DeclaredFacts> DeclaredOf(std::string_view domain) const;
  void PutDeclared(const std::string& domain, DeclaredFacts facts);
  // Who forwards mail, as the domains show together. Never null.
  std::shared_ptr<const LearnedForwarders> Forwarders() const;
  void PutForwarders(LearnedForwarders learned);
  // Whether anybody asks, so that what is not there will come.
  bool gathered() const;
  void SetGathered();

 private:
  mutable std::mutex mutex_;
  NetworkView view_;
  std::map<std::string, std::vector<OwnTerm>, std::less<>> own_;
  std::map<std::string, DeclaredFacts, std::less<>> declared_;
  std::shared_ptr<const LearnedForwarders> forwarders_ =
      std::make_shared<const LearnedForwarders>();
  bool gathered_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_NETWORK_BOOK_H_
