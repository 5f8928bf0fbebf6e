// lib/view/tls_view.h
// A TLS report as the messages of the API.

#ifndef DMARCATE_LIB_VIEW_TLS_VIEW_H_
#define DMARCATE_LIB_VIEW_TLS_VIEW_H_

#include "dmarcate/v1/report.pb.h"
#include "lib/report/model.h"

namespace dmarcate {

// Organisation, contact, id and period; no policies, no name, no receipt.
void ToMessage(const TlsReport& report, v1::TlsReport* out);
// All but the failure details. At most 100 policy strings and 64 KiB of them, and as many hosts.
void ToMessage(const TlsReport::PolicyResult& policy, v1::TlsPolicyResult* out);
void ToMessage(const TlsReport::FailureDetail& detail, v1::TlsFailureDetail* out);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_VIEW_TLS_VIEW_H_
