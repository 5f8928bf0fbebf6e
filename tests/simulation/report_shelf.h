// tests/simulation/report_shelf.h
// The reports of one simulated domain as ingestd would have stored them: each identity once,
// whatever came twice, late or out of order.

#ifndef DMARCATE_TESTS_SIMULATION_REPORT_SHELF_H_
#define DMARCATE_TESTS_SIMULATION_REPORT_SHELF_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/store/report_store.h"

namespace dmarcate::simulation {

class ReportShelf {
 public:
  // False: it is there already.
  bool Put(const StoredReport& report) {
    const Identity identity{report.reporter_key, report.report.metadata.report_id, report.trust};
    if (!known_.emplace(identity, reports_.size()).second) return false;
    reports_.push_back(report);
    reports_.back().key.receipt = reports_.size();
    ++version_;
    return true;
  }
  const std::vector<StoredReport>& reports() const { return reports_; }
  // A person has looked at everything in quarantine.
  void Review() {
    std::erase_if(reports_, [](const StoredReport& report) {
      return report.trust == TrustClass::kQuarantined;
    });
    ++version_;
  }
  uint64_t version() const { return version_; }

 private:
  using Identity = std::tuple<std::string, std::string, TrustClass>;
  std::vector<StoredReport> reports_;  // in the order of arrival
  std::map<Identity, size_t> known_;
  uint64_t version_ = 0;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_REPORT_SHELF_H_
