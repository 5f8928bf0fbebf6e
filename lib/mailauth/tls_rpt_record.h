// lib/mailauth/tls_rpt_record.h
// TLS-RPT records, the TXT record at `_smtp._tls.<domain>` (RFC 8460 section 3): where senders
// report how TLS to the domain's mail servers went. Parsed strictly, since a record that breaks the
// grammar is none; kept byte for byte. Pure.

#ifndef DMARCATE_LIB_MAILAUTH_TLS_RPT_RECORD_H_
#define DMARCATE_LIB_MAILAUTH_TLS_RPT_RECORD_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/field_list.h"
#include "lib/mailauth/lint.h"
#include "lib/mailauth/uri.h"

namespace dmarcate {

struct TlsRptAddress {
  Uri uri;
  int position = 0;  // in the record

  // A sender has a way to report there: a mailbox, or an https server.
  bool usable() const;

  friend bool operator==(const TlsRptAddress&, const TlsRptAddress&) = default;
};

struct TlsRptRecord {
  FieldList list;
  std::vector<TlsRptAddress> rua;  // of every rua field, in order; at least one

  // The bytes that were parsed.
  std::string Render() const { return list.Render(); }

  friend bool operator==(const TlsRptRecord&, const TlsRptRecord&) = default;
};

//   kInvalidArgument  not a record, no rua, or a rua that is no list of URIs; with the position
absl::StatusOr<TlsRptRecord> ParseTlsRpt(std::string_view text);

// "v=TLSRPTv1", see SelectByVersion.
RecordSelection SelectTlsRpt(const std::vector<std::string>& records);

// Findings that need no look-up.
std::vector<LintFinding> LintTlsRpt(const TlsRptRecord& record, std::string_view path = "tlsrpt");

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_TLS_RPT_RECORD_H_
