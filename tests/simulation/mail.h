// tests/simulation/mail.h
// The mail of a simulated domain, and the reports that receivers make of it. What was sent is the
// truth; what reports say is made from it, and the judge compares with the truth.

#ifndef DMARCATE_TESTS_SIMULATION_MAIL_H_
#define DMARCATE_TESTS_SIMULATION_MAIL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/time.h"
#include "lib/store/report_store.h"
#include "tests/simulation/dice.h"

namespace dmarcate::simulation {

// Who sends mail as the domain. Shares are of its messages.
struct Sender {
  enum class Kind : uint8_t {
    kOwn,      // the domain's own servers: "own-DOMAIN"; its mail passes SPF at least
    kService,  // a service of the catalogue
    kSpoofer,  // nothing of its mail is ours
  };
  Kind kind = Kind::kOwn;
  std::string id = {};        // as the product names the source
  std::string signs_as = {};  // kService: its own signing domain, by which it is known
  std::string selector = {};  // of the domain's key with which it signs; empty: it does not
  double daily = 100;         // messages a day, to all reporters together
  double failing = 0;         // neither aligned by DKIM nor by SPF; kService only
  double unsigned_share = 0;  // aligned by SPF only
  bool spf_aligned = false;   // what is signed is aligned by SPF as well
  double listed = 0;          // through mailing lists that break it, and say so
  double passed_on = 0;       // through forwarders, with its signature intact
  int32_t first_day = 0;      // of the simulation; no mail before
  int32_t last_day = 1'000'000;
  int32_t every_days = 1;  // sends on each so-manieth day: 30 is once a month
  bool legitimate() const { return kind != Kind::kSpoofer; }
};

// Who reports. Every one of them sees its share of each sender's mail.
struct Reporter {
  std::string key = {};  // "google.com"
  double share = 0.5;    // of all mail
  TrustClass trust = TrustClass::kAnchored;
  int32_t period_offset_hours = 0;  // its day begins so long after midnight UTC
  int32_t delay_hours = 6;          // from the end of the period to the report, at least
  int32_t delay_spread_hours = 6;
  double late = 0;            // share of reports that come days later
  double twice = 0;           // share of reports that are sent again
  int32_t every_days = 1;     // reports on each so-manieth day, of that day alone
  bool says_testing = false;  // RFC 9990: has <testing>, no <pct>
  bool sends_empty = false;   // also when it has seen nothing
  int32_t silent_from = 1'000'000, silent_to = 0;  // days of the simulation without a report
  // What a compromised reporter claims, from a day on.
  enum class Lie : uint8_t { kNone, kAllIsWell, kAllFails, kAllForwarded };
  Lie lie = Lie::kNone;
  int32_t lies_from = 0;
  double lie_volume = 1;
};

// What one reporter saw of one sender on one day, truly.
struct Tally {
  DayNumber day = 0;
  int32_t reporter = 0, sender = 0;  // indexes
  int64_t messages = 0, aligned = 0, dkim_aligned = 0;
  int64_t listed = 0;  // of a sender's mail, broken by lists: not in `messages`
};

struct MadeReport {
  StoredReport report;
  std::vector<Tally> truth;  // one for each sender with mail
  bool empty() const { return report.report.records.empty(); }
};

// Of the period that begins at `begin` (true time) and lasts a day; `day`: the same, counted from
// the first of the simulation, which decides whom it is silent about. `published`: the DMARC record
// that the receiver found; empty: none.
MadeReport MakeReport(const std::string& domain, const std::vector<Sender>& senders,
                      const Reporter& reporter, int32_t reporter_index, absl::Time begin,
                      int32_t day, const std::string& published, Dice& dice);

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_MAIL_H_
