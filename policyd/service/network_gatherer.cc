#include "policyd/service/network_gatherer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/inspect/spf_check.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/analysis/declared.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kIdle = absl::Seconds(1);
constexpr std::string_view kNoSelector = "dmarcate-asks-for-none";  // that nobody has
constexpr size_t kMaxNamesOfAddress = 5;  // that are tried; RFC 7208 section 5.5 allows 10

// Rows of these sources say by themselves which service sent them.
bool SaysWhose(Rule rule) {
  return rule == Rule::kCatalogueDkim || rule == Rule::kCatalogueSelector ||
         rule == Rule::kCatalogueEnvelope;
}

// Nothing was learned, as opposed to: there is nothing.
bool IsSilence(const absl::Status& status) {
  return status.code() != absl::StatusCode::kNotFound &&
         status.code() != absl::StatusCode::kFailedPrecondition &&
         status.code() != absl::StatusCode::kInvalidArgument;
}

}  // namespace

// Each question waits for its turn.
class NetworkGatherer::TurnResolver final : public Resolver {
 public:
  explicit TurnResolver(NetworkGatherer& gatherer) : gatherer_(gatherer) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    if (!gatherer_.AwaitTurn()) return absl::CancelledError("stopping");
    return gatherer_.resolver_.Lookup(name, type);
  }

 private:
  NetworkGatherer& gatherer_;
};

NetworkGatherer::NetworkGatherer(NetworkBook& book, const Catalogue& catalogue, Resolver& resolver,
                                 const Clock& clock, Pacer& pacer, const GatherOptions& options)
    : book_(book),
      catalogue_(catalogue),
      resolver_(resolver),
      clock_(clock),
      pacer_(pacer),
      options_(options),
      published_(clock.Monotonic()) {
  ReadCatalogue();
}

void NetworkGatherer::ReadCatalogue() {
  const std::shared_ptr<const Catalogue> now =
      catalogue_book_ == nullptr ? UnownedCatalogue(catalogue_) : catalogue_book_->Get().catalogue;
  if (read_ == now) return;
  std::map<std::string, Include> before = std::exchange(includes_, {});
  for (const MailService& service : now->services()) {
    for (const std::string& include : service.spf_includes) {
      // An include that several use by agreement is of the one that it belongs to.
      if (now->FindByInclude(include) != &service) continue;
      Include& kept = includes_[include];
      if (const auto known = before.find(include);
          known != before.end() && known->second.service->id == service.id) {
        kept = std::move(known->second);
        // Part of them may be another service's now, or no longer: all are asked for again, and
        // these stay until then.
        kept.age.due = -absl::InfiniteDuration();
      }
      kept.service = &service;
    }
  }
  read_ = now;  // now that nothing points into the one before
  changed_ |= !before.empty();
}

void NetworkGatherer::Want(const DomainStatistics& statistics) {
  std::vector<const AddressStats*> wanted;
  for (const SourceStatistics& source : statistics.sources) {
    if (SaysWhose(source.rule) || source.rule == Rule::kOverflow) continue;
    for (const AddressStats& stats : source.addresses) {
      if (stats.address) wanted.push_back(&stats);
    }
  }
  const size_t limit = std::min(wanted.size(), options_.addresses_per_domain);
  std::ranges::partial_sort(wanted, wanted.begin() + static_cast<std::ptrdiff_t>(limit),
                            [](const AddressStats* a, const AddressStats* b) {
                              return std::tie(b->counts.messages, *a->address) <
                                     std::tie(a->counts.messages, *b->address);
                            });
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  if (domains_.size() < options_.domains || domains_.contains(statistics.domain)) {
    domains_[statistics.domain].silent = statistics.total.messages == 0;
  }
  for (size_t i = 0; i < limit; ++i) names_[*wanted[i]->address].wanted = now;
}

void NetworkGatherer::Start() {
  book_.SetGathered();
  thread_ = std::thread([this] {
    while (RunDue() && pacer_.Wait(kIdle)) {
    }
  });
}

void NetworkGatherer::BeginStop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  pacer_.Stop();
}

void NetworkGatherer::Stop() {
  BeginStop();
  if (thread_.joinable()) thread_.join();
}

bool NetworkGatherer::Stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool NetworkGatherer::AwaitTurn() {
  if (Stopping()) return false;
  Publish(options_.publish);  // what takes an hour is of use before it is over
  const absl::Duration now = clock_.Monotonic();
  next_turn_ = std::max(next_turn_, now);
  const absl::Duration pause = next_turn_ - now;
  next_turn_ += absl::Seconds(1) / options_.lookups_per_second;
  return pause <= absl::ZeroDuration() || pacer_.Wait(pause);
}

bool NetworkGatherer::RunDue() {
  ReadCatalogue();
  // Names first: they are few on most days, and people wait for them.
  LookAtNames();
  LookAtDomains();
  LookAtIncludes();
  if (Stopping()) return false;
  Forget(clock_.Monotonic());
  Publish(options_.publish_done);
  return true;
}

void NetworkGatherer::LookAtIncludes() {
  TurnResolver turns(*this);
  // Those of which nothing is known first: somebody may just have added them.
  std::vector<std::pair<const std::string, Include>*> due;
  for (auto& entry : includes_) {
    if (entry.second.age.due <= clock_.Monotonic()) due.push_back(&entry);
  }
  std::ranges::stable_partition(due, [](const auto* entry) {
    return entry->second.age.learned == -absl::InfiniteDuration();
  });
  for (auto* const entry : due) {
    LookAtDomains();  // a domain that came meanwhile is waited for by a person
    auto& [name, include] = *entry;
    const auto domain = DomainName::Parse(name);
    if (!domain.ok()) continue;  // the catalogue's lint lets none in
    const auto tree = ExpandSpf(*domain, turns, clock_);
    if (Stopping()) return;
    const absl::Duration now = clock_.Monotonic();
    const bool learned = tree.ok() ? tree->complete : !IsSilence(tree.status());
    include.age.due = now + (learned ? options_.ranges_for : options_.retry);
    // Of a tree that is not complete nothing is taken: what is missing is not gone.
    if (!learned) continue;
    include.age.learned = now;
    std::vector<IpNetwork> networks;
    if (tree.ok()) networks = RangesOfService(*tree, *include.service, *read_);
    if (networks == include.networks) continue;
    include.networks = std::move(networks);
    changed_ = true;
  }
}

void NetworkGatherer::LookAtDomains() {
  TurnResolver turns(*this);
  std::vector<std::pair<std::string, bool>> due;
  {
    const std::lock_guard lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    for (const auto& [name, domain] : domains_) {
      if (domain.age.due > now) continue;
      due.emplace_back(name, domain.silent && domain.selectors_due <= now);
    }
  }
  for (const auto& [name, with_selectors] : due) {
    const auto domain = DomainName::Parse(name);
    if (!domain.ok()) continue;
    const auto tree = ExpandSpf(*domain, turns, clock_);
    if (Stopping()) return;
    const bool learned = tree.ok() ? tree->complete : !IsSilence(tree.status());
    if (learned) book_.PutOwnTerms(name, tree.ok() ? OwnTerms(*tree) : std::vector<OwnTerm>());
    const bool all = LookAtDeclared(*domain, tree, learned, with_selectors) && learned;
    if (Stopping()) return;
    const std::lock_guard lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    if (all && with_selectors) domains_[name].selectors_due = now + options_.keep;
    Age& age = domains_[name].age;
    age.due = now + (all ? options_.ranges_for : options_.retry);
    if (learned) age.learned = now;
  }
}

bool NetworkGatherer::LookAtDeclared(const DomainName& domain, const absl::StatusOr<SpfTree>& tree,
                                     bool learned, bool with_selectors) {
  TurnResolver turns(*this);
  DeclaredFacts facts = book_.DeclaredOf(domain.text()).value_or(DeclaredFacts());
  bool all = true;
  // Of a tree that is not complete what there is, until more is known.
  if (tree.ok() && (learned || facts.spf.empty())) {
    facts.spf = MentionsIn(*tree);
  } else if (learned) {
    facts.spf.clear();  // there is no record
  }
  if (const auto mx = turns.Lookup(domain, RrType::kMx); mx.ok()) {
    facts.mx_hosts.clear();
    for (const MxRecord& record : mx->mx) facts.mx_hosts.push_back(record.exchange.text());
  } else {
    all = false;
  }
  if (Stopping()) return false;
  book_.PutDeclared(domain.text(), facts);  // what follows takes longer
  if (!with_selectors) return all;
  const auto has_key = [&](const std::string& selector) -> std::optional<bool> {
    const auto owner = DomainName::Parse(selector + "._domainkey." + domain.text());
    if (!owner.ok()) return false;
    const auto answer = turns.Lookup(*owner, RrType::kTxt);
    if (!answer.ok()) return std::nullopt;
    return std::ranges::any_of(answer->txt, [](const TxtRecord& record) {
      const auto key = ParseDkimKeyRecord(record.Joined());
      return key.ok() && !key->key.revoked;
    });
  };
  // Where any name has a key, by a wildcard, a selector tells nothing.
  const std::optional<bool> wildcard = has_key(std::string(kNoSelector));
  if (!wildcard) return false;
  const std::vector<std::string> known = std::exchange(facts.selectors, {});
  if (!*wildcard) {
    for (const std::string& selector : SelectorsThatTell(*read_)) {
      const std::optional<bool> key = has_key(selector);
      if (Stopping()) return false;
      if (!key) all = false;
      // Silence takes nothing away.
      if (key.value_or(std::ranges::find(known, selector) != known.end())) {
        facts.selectors.push_back(selector);
      }
    }
  }
  book_.PutDeclared(domain.text(), std::move(facts));
  return all;
}

void NetworkGatherer::LookAtNames() {
  std::vector<IpAddress> due;
  {
    const std::lock_guard lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    for (const auto& [address, name] : names_) {
      if (name.age.due <= now) due.push_back(address);
    }
  }
  for (const IpAddress& address : due) {
    LookAtDomains();
    const auto confirmed = ConfirmedName(address);
    if (Stopping()) return;
    const absl::Duration now = clock_.Monotonic();
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(address);
    if (found == names_.end()) continue;
    Name& name = found->second;
    name.age.due = now + (confirmed.ok() ? options_.names_for : options_.retry);
    if (!confirmed.ok()) continue;
    const bool first = name.age.learned == -absl::InfiniteDuration();
    name.age.learned = now;
    if (!first && name.name == *confirmed) continue;
    name.name = *confirmed;
    changed_ = true;
  }
}

absl::StatusOr<std::string> NetworkGatherer::ConfirmedName(const IpAddress& address) {
  TurnResolver turns(*this);
  DMARCATE_ASSIGN_OR_RETURN(const DomainName reverse, DomainName::Parse(ReverseName(address)));
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer pointers, turns.Lookup(reverse, RrType::kPtr));
  std::vector<DomainName> candidates;
  for (const std::string& text : pointers.texts) {
    auto name = DomainName::Parse(text);
    if (name.ok() && !name->IsRoot()) candidates.push_back(*std::move(name));
  }
  // A name that says a service before others, so that of many the first ones are enough.
  std::ranges::stable_partition(candidates, [this](const DomainName& name) {
    return read_->FindByReverseName(name.text()) != nullptr;
  });
  if (candidates.size() > kMaxNamesOfAddress) candidates.resize(kMaxNamesOfAddress);
  std::optional<absl::Status> silence;
  for (const DomainName& name : candidates) {
    const auto back = turns.Lookup(name, address.is_v4() ? RrType::kA : RrType::kAaaa);
    if (!back.ok()) {
      silence = back.status();
      continue;
    }
    const bool confirmed = std::ranges::any_of(
        back->texts, [&](const std::string& text) { return IpAddress::Parse(text) == address; });
    if (confirmed) return name.text();
  }
  if (silence) return *silence;  // one of them may have been it
  return std::string();
}

void NetworkGatherer::Forget(absl::Duration now) {
  for (auto& [name, include] : includes_) {
    if (include.networks.empty() || now - include.age.learned <= options_.keep) continue;
    include.networks.clear();
    changed_ = true;
  }
  const std::lock_guard lock(mutex_);
  for (auto& [name, domain] : domains_) {
    if (now - domain.age.learned > options_.keep) book_.PutOwnTerms(name, {});
  }
  std::vector<std::pair<absl::Duration, IpAddress>> by_wanted;
  for (auto it = names_.begin(); it != names_.end();) {
    if (now - it->second.wanted > options_.keep) {
      it = names_.erase(it);
      changed_ = true;
      continue;
    }
    by_wanted.emplace_back(it->second.wanted, it->first);
    ++it;
  }
  if (by_wanted.size() <= options_.addresses) return;
  std::ranges::sort(by_wanted);
  by_wanted.resize(by_wanted.size() - options_.addresses);
  for (const auto& [wanted, address] : by_wanted) names_.erase(address);
  changed_ = true;
}

void NetworkGatherer::Publish(absl::Duration pause) {
  const absl::Duration time = clock_.Monotonic();
  if (!changed_ || time - published_ < pause) return;
  auto evidence = std::make_shared<NetworkEvidence>();
  size_t ranges = 0, named = 0;
  for (const auto& [name, include] : includes_) {
    ranges += include.networks.size();
    for (const IpNetwork& network : include.networks) {
      evidence->AddRange(network, include.service->id);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [address, name] : names_) {
      if (time - name.age.learned > options_.keep) continue;  // never, or long ago
      ++named;
      if (name.name.empty()) {
        evidence->AddNameless(address);
      } else {
        evidence->AddConfirmedName(address, name.name);
      }
    }
  }
  book_.Put(std::move(evidence));
  published_ = time;
  changed_ = false;
  LogInfo("network_evidence", {{"ranges", ranges}, {"addresses", named}});
}

}  // namespace dmarcate
