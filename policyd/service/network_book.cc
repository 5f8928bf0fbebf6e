#include "policyd/service/network_book.h"

#include <utility>

namespace dmarcate {

NetworkView NothingKnown() {
  static const auto* const nothing =
      new std::shared_ptr<const NetworkEvidence>(std::make_shared<const NetworkEvidence>());
  return {.evidence = *nothing, .version = 0};
}

NetworkView NetworkBook::Get() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

void NetworkBook::Put(std::shared_ptr<const NetworkEvidence> evidence) {
  const std::lock_guard lock(mutex_);
  view_ = {.evidence = std::move(evidence), .version = view_.version + 1};
}

std::vector<OwnTerm> NetworkBook::OwnTermsOf(std::string_view domain) const {
  const std::lock_guard lock(mutex_);
  const auto found = own_.find(domain);
  return found == own_.end() ? std::vector<OwnTerm>() : found->second;
}

void NetworkBook::PutOwnTerms(const std::string& domain, std::vector<OwnTerm> terms) {
  const std::lock_guard lock(mutex_);
  if (terms.empty()) {
    own_.erase(domain);
  } else {
    own_[domain] = std::move(terms);
  }
}

std::shared_ptr<const LearnedForwarders> NetworkBook::Forwarders() const {
  const std::lock_guard lock(mutex_);
  return forwarders_;
}

void NetworkBook::PutForwarders(LearnedForwarders learned) {
  const std::lock_guard lock(mutex_);
  if (*forwarders_ == learned) return;  // what was computed by it stays right
  forwarders_ = std::make_shared<const LearnedForwarders>(std::move(learned));
}

std::optional<DeclaredFacts> NetworkBook::DeclaredOf(std::string_view domain) const {
  const std::lock_guard lock(mutex_);
  const auto found = declared_.find(domain);
  return found == declared_.end() ? std::nullopt : std::optional(found->second);
}

void NetworkBook::PutDeclared(const std::string& domain, DeclaredFacts facts) {
  const std::lock_guard lock(mutex_);
  declared_[domain] = std::move(facts);
}

bool NetworkBook::gathered() const {
  const std::lock_guard lock(mutex_);
  return gathered_;
}

void NetworkBook::SetGathered() {
  const std::lock_guard lock(mutex_);
  gathered_ = true;
}

}  // namespace dmarcate
