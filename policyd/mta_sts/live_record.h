// policyd/mta_sts/live_record.h
// What the TXT texts at _mta-sts come to for a sender (RFC 8461 section 3.1). Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_LIVE_RECORD_H_
#define DMARCATE_POLICYD_MTA_STS_LIVE_RECORD_H_

#include <string>
#include <vector>

namespace dmarcate {

struct LiveStsRecord {
  int records = 0;  // that begin "v=STSv1;"
  std::string id;   // of the one record, if it is one
  bool none() const { return records == 0; }
  std::string Describe() const;  // "no record", "one record, id 4f2a", "2 records", "..."
};
LiveStsRecord FindStsRecord(const std::vector<std::string>& texts);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_LIVE_RECORD_H_
