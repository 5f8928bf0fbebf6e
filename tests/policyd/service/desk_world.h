// An alert desk over stores in memory, and a notifier that keeps what it gets.

#ifndef DMARCATE_TESTS_POLICYD_SERVICE_DESK_WORLD_H_
#define DMARCATE_TESTS_POLICYD_SERVICE_DESK_WORLD_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "lib/store/fake_alert_store.h"
#include "lib/store/fake_insight_store.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_report_store.h"
#include "policyd/notify/fake_notifier.h"
#include "policyd/service/alert_desk.h"

namespace dmarcate {

inline const absl::Time kNoon = absl::FromUnixSeconds(1'782'820'800);  // Tuesday, 2026-06-30 12:00

class DeskTest : public testing::Test {
 protected:
  DeskTest() {
    DomainRecord domain;
    domain.name = "example.com";
    EXPECT_TRUE(policies_.PutDomain(domain).ok());
    EXPECT_TRUE(reports_.Tick().ok());
    Start();
  }
  void AddChannel(const std::string& id, bool digest = false) {
    AlertChannelRecord channel;
    channel.id = id;
    channel.kind = AlertChannelKind::kSyslog;
    channel.min_severity = Severity::kInfo;
    channel.digest = digest;
    ASSERT_TRUE(alerts_.PutAlertChannel(channel).ok());
  }
  void Start() {
    desk_ = std::make_unique<AlertDesk>(
        AlertWorld{policies_, insights_, alerts_, analysis_, notifier_, clock_}, options_);
  }
  void Tick(absl::Duration later = absl::ZeroDuration()) {
    clock_.Advance(later);
    desk_->Tick();
  }
  void PutInsight(Severity severity = Severity::kError, InsightState state = InsightState::kActive,
                  const std::string& id = "i") {
    InsightRecord insight;
    insight.id = id;
    insight.code = "SPF_DANGLING";
    insight.severity = severity;
    insight.state = state;
    insight.first_seen = insight.last_seen = clock_.Now();
    if (state == InsightState::kResolved) insight.resolve_time = clock_.Now();
    ASSERT_TRUE(insights_
                    .UpdateInsights("example.com", {.put = {insight}, .forget = {}, .look = {}},
                                    InsightSync::kLater)
                    .ok());
  }
  std::vector<DeliveryRecord> Journal() { return *alerts_.ListDeliveries({}, 1000); }

  FakeClock clock_{kNoon};
  FakePolicyStore policies_;
  FakeInsightStore insights_;
  FakeAlertStore alerts_;
  FakeReportStore* report_store_ = nullptr;
  ReportFollower reports_{[this]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
    auto store = std::make_unique<FakeReportStore>();
    report_store_ = store.get();
    return std::unique_ptr<ReportReader>(std::move(store));
  }};
  NetworkBook network_;
  AnalysisCache analysis_{reports_, Catalogue::Default(), &network_};
  FakeNotifier notifier_;
  AlertOptions options_;
  std::unique_ptr<AlertDesk> desk_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_SERVICE_DESK_WORLD_H_
