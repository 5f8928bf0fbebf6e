// policyd/provider/exec/exec_message.h
// The protocol between policyd and a program of the operator's that speaks to a DNS host, version
// 1. One run of the program, one operation. Pure. docs/providers.md, "exec", is its manual.
//
// The request, one JSON object at standard input:
//   {"version": 1, "operation": "list_zones"}
//   {"version": 1, "operation": "test"}
//   {"version": 1, "operation": "read", "zone": "example.com", "name": "_dmarc.example.com",
//    "type": "TXT"}
//   {"version": 1, "operation": "write", "zone": ..., "name": ..., "type": "TXT",
//    "expected": ["\"v=DMARC1; p=none\""], "records": ["\"v=DMARC1; p=reject\""], "ttl": 300}
// The answer, one JSON object at standard output and nothing else, exit status 0:
//   {"version": 1, "result": {"zones": ["example.com"]}}
//   {"version": 1, "result": {"zones": [...], "class": "A", "warnings": ["..."]}}
//   {"version": 1, "result": {"records": ["\"v=DMARC1; p=none\""], "ttl": 300}}
//   {"version": 1, "result": {"outcome": "written"}}          or "unchanged"
//   {"version": 1, "error": {"code": "conflict", "message": "..."}}
//
// Names are without a final dot, in lower case and ASCII. A record is all its character-strings, in
// quotes, as RFC 1035 section 5.1 writes them: \" \\ and \DDD, decimal. No records: there is no TXT
// RRset at the name, and no ttl.

#ifndef DMARCATE_POLICYD_PROVIDER_EXEC_EXEC_MESSAGE_H_
#define DMARCATE_POLICYD_PROVIDER_EXEC_EXEC_MESSAGE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

std::string ExecListZonesRequest();
std::string ExecTestRequest();
std::string ExecReadRequest(const DomainName& zone, const DomainName& owner);
// `expected`: the RRset exactly as it was read; the program writes nothing where it is not so.
std::string ExecWriteRequest(const DomainName& zone, const RrSetChange& change,
                             const std::vector<TxtRecord>& expected);

struct ExecTest {
  std::vector<DomainName> zones;
  ProviderClass provider_class = ProviderClass::kC;
  std::vector<std::string> warnings;
};

// Each reads an answer. An answer has the members that are documented, each once, and no others.
//   kDataLoss  it does not make sense; the message says what of it
//   otherwise  the error that the program tells, by its code:
//     "unavailable" kUnavailable   "denied" kPermissionDenied   "no_zone" kNotFound
//     "conflict" kAborted (of a write)   "refused" kInvalidArgument
//     "cannot" kFailedPrecondition       "unknown" kUnknown (of a write)
absl::StatusOr<std::vector<DomainName>> ParseExecZones(std::string_view answer);
absl::StatusOr<ExecTest> ParseExecTest(std::string_view answer);
absl::StatusOr<RrSet> ParseExecRrSet(std::string_view answer);
absl::Status ParseExecWritten(std::string_view answer);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_EXEC_EXEC_MESSAGE_H_
