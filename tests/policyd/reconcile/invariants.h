// tests/policyd/reconcile/invariants.h
// What is always true of a TestWorld (safety.md section 5.4, P1 to P12), looked at in the instant
// of each write of ours and once more at the end.
//
//   P1  one SPF and one DMARC record at most          P2  nothing else at the name, or elsewhere
//   P3  ten look-ups at most                          P4  what is written is what a plan says
//   P5  announced in the journal before               P6  by one change at a time for a zone
//   P7  back to the exact image before                P8  no write that changes nothing
//   P10 the policy stays what it is                   P11 decisions stay
//   P12 the change is listed, with its end
// P9 (secrets) is tests/cli/canary_test.cc.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_INVARIANTS_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_INVARIANTS_H_

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/change_plan.h"
#include "policyd/plan/txt_image.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {

class Invariants {
 public:
  static inline const DomainName kElsewhere = Name("www.example.com");

  explicit Invariants(TestWorld& world) : world_(world) {
    world_.provider->SetTexts(kElsewhere, {"v=spf1 -all", "somebody's"});
    for (const DomainName* owner :
         {&TestWorld::kSpf, &TestWorld::kDmarc, &TestWorld::kReport, &kElsewhere}) {
      last_[*owner] = world_.provider->Get(*owner);
    }
    decisions_ = DecisionRevisions();
    writes_ = world_.provider->writes();
    world_.observer = [this](const DomainName& owner, const RrSet& now) { Look(owner, now); };
  }
  ~Invariants() { world_.observer = nullptr; }
  Invariants(const Invariants&) = delete;
  Invariants& operator=(const Invariants&) = delete;

  // The decisions are others now, by will.
  void DecisionsChanged() { decisions_ = DecisionRevisions(); }
  int writes_seen() const { return seen_; }

  void CheckEnd() const {
    EXPECT_EQ(world_.Texts(kElsewhere), (std::vector<std::string>{"v=spf1 -all", "somebody's"}))
        << "P2";
    EXPECT_EQ(DecisionRevisions(), decisions_) << "P11";
    EXPECT_TRUE(world_.store.OpenChanges()->empty()) << "P5: no end state";
    const auto changes = world_.store.ListChanges("-", "", 10'000);
    ASSERT_TRUE(changes.ok()) << changes.status();
    for (const ChangeRecord& change : *changes) {
      EXPECT_TRUE(IsEndState(change.state) || change.state == ChangeState::kPlanned) << "P12";
      if (change.state == ChangeState::kNeedsAttention || change.state == ChangeState::kFailed) {
        EXPECT_FALSE(change.error_reason.empty()) << "P5: no visible alert";
      }
    }
  }

 private:
  std::map<std::string, uint64_t> DecisionRevisions() const {
    std::map<std::string, uint64_t> revisions;
    const auto decisions = world_.store.ListDecisions("example.com");
    EXPECT_TRUE(decisions.ok()) << decisions.status();
    for (const SourceDecision& one : *decisions) {
      revisions[one.source_id] = one.revision;
    }
    return revisions;
  }

  void Look(const DomainName& owner, const RrSet& now) {
    const RrSet before = last_[owner];
    last_[owner] = now;
    const int writes = world_.provider->writes();
    if (writes == writes_) return;  // somebody else's
    EXPECT_EQ(writes, writes_ + 1);
    writes_ = writes;
    ++seen_;
    SCOPED_TRACE(testing::Message() << "write " << seen_ << " at " << owner.text());
    EXPECT_NE(owner, kElsewhere) << "P2";
    EXPECT_FALSE(before.records == now.records) << "P8";
    LookAtTexts(owner, TextsOf(before.records), TextsOf(now.records));
    LookAtJournal(owner, now);
  }

  static std::vector<std::string> Siblings(const DomainName& owner,
                                           const std::vector<std::string>& texts) {
    std::vector<std::string> siblings;
    std::ranges::copy_if(texts, std::back_inserter(siblings),
                         [&](const std::string& text) { return !IsOfRole(RoleOf(owner), text); });
    return siblings;
  }

  void LookAtTexts(const DomainName& owner, const std::vector<std::string>& before,
                   const std::vector<std::string>& now) {
    EXPECT_NE(SelectSpf(now).outcome, SpfSelection::Outcome::kMultiple) << "P1";
    EXPECT_NE(SelectDmarc(now).outcome, DmarcSelection::Outcome::kMultiple) << "P1";
    EXPECT_EQ(Siblings(owner, before), Siblings(owner, now)) << "P2";
    if (owner == TestWorld::kDmarc) {
      for (const std::string& text : now) {
        EXPECT_TRUE(text.starts_with("v=DMARC1; p=reject; x=1; rua=mailto:o@o.test"))
            << "P2, P10: " << text;
      }
    }
  }

  void LookAtJournal(const DomainName& owner, const RrSet& now) {
    const std::vector<ChangeRecord> open = world_.store.OpenChanges().value();
    std::optional<ChangeRecord> writer;
    int writers = 0;
    for (const ChangeRecord& change : open) {
      if (change.scheduled()) continue;
      ++writers;
      writer = change;
    }
    ASSERT_EQ(writers, 1) << "P5, P6: " << writers << " open changes";
    EXPECT_EQ(PlanDigest(*writer), writer->plan_digest) << "P4";
    EXPECT_FALSE(writer->applied_by.empty()) << "P4";
    EXPECT_FALSE(writer->lease_holder.empty()) << "P6";
    EXPECT_GT(writer->fence, 0u) << "P6";
    const auto record =
        std::ranges::find(writer->record_changes, owner.text(), &RecordChangeRecord::owner_name);
    ASSERT_NE(record, writer->record_changes.end()) << "P4";
    EXPECT_LE(record->lookups_after, 10) << "P3";
    const bool back = writer->state == ChangeState::kRollingBack;
    const std::string detail = owner.text() + (back ? " (back)" : "");
    EXPECT_TRUE(std::ranges::any_of(
        writer->steps,
        [&](const StepRecord& step) { return step.step == "WRITING" && step.detail == detail; }))
        << "P5: " << detail << " was not announced";
    const std::vector<std::string>& want = back ? record->before : record->after;
    const std::vector<std::string> is = ToPresentations(now.records);
    for (const std::string& text : want) {
      EXPECT_EQ(std::ranges::count(is, text), std::ranges::count(want, text))
          << (back ? "P7: " : "P4: ") << text;
    }
    // A host of class B keeps what came in between.
    if (world_.provider->provider_class() != ProviderClass::kB) {
      EXPECT_EQ(is, want) << "P4, P7";
    }
  }

  TestWorld& world_;
  std::map<DomainName, RrSet> last_;
  std::map<std::string, uint64_t> decisions_;
  int writes_ = 0;
  int seen_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_INVARIANTS_H_
