// tests/policyd/plan/spf_world.h
// A DNS full of random SPF records, a domain in it with decisions about sources, and what a plan of
// it does there. All of it follows from one seed.

#ifndef DMARCATE_TESTS_POLICYD_PLAN_SPF_WORLD_H_
#define DMARCATE_TESTS_POLICYD_PLAN_SPF_WORLD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lib/dns/fake_resolver.h"
#include "lib/inspect/overlay_resolver.h"
#include "lib/inspect/spf_tree.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/spf_proof.h"

namespace dmarcate {

// A plan with all that judges it.
struct PlannedSpf {
  std::string truth;  // the record with every term in its place, kept beside the book
  SpfDraft draft;
  SpfCompiled compiled;
  SpfTree before, intended, after;
  std::vector<SpfTree> between;  // after each write but the last
  TxtOverlay overlay;            // the child records as the plan leaves them
  SpfProof proof;
  std::vector<GuardRecord> guards;  // of texts, costs and the proof
};

class SpfWorld {
 public:
  explicit SpfWorld(uint64_t seed);

  // From the decisions as they are.
  PlannedSpf Plan();
  // What applying it does to DNS and book.
  void Apply(const PlannedSpf& plan);

  // One vendor's record is another.
  void ChangeVendor();
  // One approval is taken back. Its terms, or none if there was no approval.
  std::vector<std::string> RemoveApproval();

  const DomainName& domain() const { return domain_; }
  Resolver& dns() { return dns_; }
  const std::string& live() const { return live_; }
  // What a child record of that name says already; empty: there is none.
  std::string ChildText(const DomainName& name) const {
    const auto found = children_.find(name);
    return found == children_.end() ? "" : found->second;
  }
  // All records, for people.
  std::string Describe();
  // Whether somebody else has a record there.
  bool IsTaken(const DomainName& name) const { return taken_.contains(name); }
  uint64_t Random(uint64_t below) { return random_() % below; }
  bool Chance(int percent) { return Random(100) < static_cast<uint64_t>(percent); }

 private:
  SpfCompiled Compile(const PlannedSpf& plan, const std::vector<SpfChild>& children);
  std::string Network();
  std::string Qualifier();
  std::string VendorRecord(int number);
  std::string VendorTerm(int number);
  void SetLive();

  std::mt19937_64 random_;
  FakeResolver dns_;
  DomainName domain_;
  int vendors_ = 0;
  std::string live_;
  std::string truth_;  // had nothing ever been flattened
  std::vector<ManagedTerm> managed_;
  std::vector<ApprovedSource> approved_;
  std::map<DomainName, std::string> children_;
  std::set<DomainName> taken_;
  bool take_first_ = false;  // somebody is at the name of the first child
  SpfCompileOptions options_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_PLAN_SPF_WORLD_H_
