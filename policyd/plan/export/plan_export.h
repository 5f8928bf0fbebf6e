// policyd/plan/export/plan_export.h
// A plan as text for teams that change DNS by pull request. Each RRset is given as a whole, as it
// is to be afterwards: none of these tools replaces one record among several at a name. Pure.
//
// bind        zone file lines, RFC 1035 section 5.1
// dnscontrol  D_EXTEND and TXT of docs.dnscontrol.org (4.x), which cuts long texts itself
// octodns     one entry for each name of a zone's YAML file; octoDNS wants `;` as `\;`, no other
//             backslash, and ASCII (octodns/record/chunked.py, 2026-02)
// terraform   a map for the for_each of the TXT resource of whatever provider the zone is with:
// each
//             has another resource; HCL's `${` and `%{` are escaped, for SPF has macros

#ifndef DMARCATE_POLICYD_PLAN_EXPORT_PLAN_EXPORT_H_
#define DMARCATE_POLICYD_PLAN_EXPORT_PLAN_EXPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

#include "lib/store/policy_store.h"

namespace dmarcate {

enum class ExportFormat : uint8_t { kBind = 1, kDnscontrol, kOctodns, kTerraform };

// Ends in a line feed. Equal input, equal bytes.
//   kFailedPrecondition  a record holds octets that the format cannot carry; the message names it
//   kDataLoss            the stored images do not parse
absl::StatusOr<std::string> ExportPlan(const ChangeRecord& change, ExportFormat format);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_EXPORT_PLAN_EXPORT_H_
