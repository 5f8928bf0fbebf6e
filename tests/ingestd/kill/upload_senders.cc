#include <set>

#include "gtest/gtest.h"

#include "tests/ingestd/daemon.h"
#include "tests/ingestd/kill/senders.h"

namespace dmarcate::ingest_testing {
namespace {

constexpr size_t kItemsPerStream = 50;

bool IsTaken(const v1::SubmittedItem& item) {
  return item.outcome() == v1::ITEM_OUTCOME_STORED || item.outcome() == v1::ITEM_OUTCOME_DUPLICATE;
}

}  // namespace

void Upload(Gate& gate, Ledger& ledger) {
  while (const std::optional<int> report = ledger.Next(Way::kUpload)) {
    const std::string xml = XmlOf(*report);
    while (true) {
      const auto channel = gate.Await();
      if (channel == nullptr) return;
      v1::SubmitReportResponse response;
      const grpc::Status status = Submit(channel, xml, &response);
      EXPECT_TRUE(status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE)
          << status.error_message();
      if (!status.ok()) continue;
      EXPECT_TRUE(response.items_size() == 1 && IsTaken(response.items(0)))
          << response.DebugString();
      ledger.Acknowledge(*report, Way::kUpload);
      break;
    }
  }
}

void StreamImports(Gate& gate, Ledger& ledger) {
  std::vector<int> reports;  // to be sent, not acknowledged
  while (true) {
    while (reports.size() < kItemsPerStream) {
      const std::optional<int> report = ledger.Next(Way::kImport);
      if (!report) break;
      reports.push_back(*report);
    }
    if (reports.empty()) return;
    const auto channel = gate.Await();
    if (channel == nullptr) return;
    std::vector<ImportItem> items;
    for (const int report : reports) items.push_back({IdOf(report) + ".xml", XmlOf(report)});
    std::set<int> taken;
    Import(channel, items, [&](const v1::ItemResult& result) {
      EXPECT_TRUE(result.items_size() == 1 && IsTaken(result.items(0))) << result.DebugString();
      const int report = reports.at(static_cast<size_t>(result.item_id()));
      ledger.Acknowledge(report, Way::kImport);
      taken.insert(report);
    });
    std::erase_if(reports, [&](int report) { return taken.contains(report); });
  }
}

}  // namespace dmarcate::ingest_testing
