// tests/lib/store/store_testing.h
// What the tests of the stores share: directories, small reports and random ones.

#ifndef DMARCATE_TESTS_LIB_STORE_STORE_TESTING_H_
#define DMARCATE_TESTS_LIB_STORE_STORE_TESTING_H_

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/store/report_store.h"

namespace dmarcate {

// A directory that goes with the object.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline constexpr DayNumber kTestDay = 20000;  // 2024-10-04

// A report with one record a count, DMARC pass, from reporter "google.com"; documents are told
// apart by `document`. `report_id` is its identity.
StoredReport MakeReport(std::string_view domain, DayNumber day, std::string_view report_id,
                        std::string_view document, const std::vector<uint64_t>& counts);

// A TLS report of one policy, type "sts", from reporter "google.com".
StoredTlsReport MakeTlsReport(std::string_view domain, DayNumber day, std::string_view report_id,
                              std::string_view document, uint64_t successful, uint64_t failed);

// A failure report with a text in every field.
StoredFailureReport MakeFailureReport(std::string_view domain, DayNumber day,
                                      std::string_view document);

// Everything that the model can say, absent, empty and odd values too; different for each state of
// `random`. Key and identity are drawn from few, so that copies and revisions occur.
StoredReport RandomReport(std::mt19937_64& random);
StoredTlsReport RandomTlsReport(std::mt19937_64& random);

CommitBatch::Accepted Accept(std::string raw);
// The reports as items 0, 1, ... of the receipt: key.receipt and key.item are set.
CommitBatch::Processed Process(ReceiptId receipt, std::vector<StoredReport> reports);
CommitBatch::Processed ProcessTls(ReceiptId receipt, std::vector<StoredTlsReport> reports);
CommitBatch::Processed ProcessFailure(ReceiptId receipt, StoredFailureReport report);
CommitBatch::Processed ProcessUnreadable(ReceiptId receipt, Outcome outcome, std::string reason);

// One receipt with these reports, in two commits as ingestd makes them.
absl::StatusOr<ReceiptId> AcceptAndProcess(ReportWriter& writer, std::string raw,
                                           std::vector<StoredReport> reports);

// Flips one bit of the value under `key` in the closed reports database.
void SpoilValue(const std::string& directory, int family, const std::string& key);

// All that a reader tells of days [0, kLastReportDay], as text: equal states, equal texts.
absl::StatusOr<std::string> Dump(ReportReader& reader);

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_STORE_STORE_TESTING_H_
