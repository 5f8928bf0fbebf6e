// lib/mailauth/carrier.h
// What the mail that carried a report proves about its sender: results of DKIM (RFC 6376, 8301,
// 8463), SPF (RFC 7208) and DMARC (RFC 9989), checked by us at arrival. Values only: filled by
// lib/inspect, judged by ingestd. Headers in which others report results are never read.

#ifndef DMARCATE_LIB_MAILAUTH_CARRIER_H_
#define DMARCATE_LIB_MAILAUTH_CARRIER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/mailauth/spf_evaluate.h"

namespace dmarcate {

// RFC 8601 section 2.7.1.
enum class DkimResult : uint8_t {
  kNone,
  kPass,
  kFail,       // the body hash or the signature does not match
  kPolicy,     // cryptographically right, refused by a rule of ours: short key, expired, t=y, ...
  kNeutral,    // the signature cannot be read
  kTempError,  // the key could not be fetched now
  kPermError,  // there is no usable key, or the signature lacks what it must have
};

// One DKIM-Signature field.
struct DkimCheck {
  DkimResult result = DkimResult::kNone;
  std::string domain;     // d=, lower case
  std::string selector;   // s=
  std::string algorithm;  // "rsa-sha256"
  int key_bits = 0;       // 0: no key was read
  std::string reason;     // a sentence, empty for kPass
  // The DNS said that there is no key, or a revoked one: one that was there once may have been
  // right. Not where the signature itself is of no use.
  bool key_gone = false;
  // The key is for TLS reports and for no other mail (RFC 8460 section 3).
  bool tls_reports_only = false;
  bool aligned = false;  // d= with the From domain, in the mode of the From domain's policy
  // No l=: nothing can be appended under the signature.
  bool covers_body = false;
  // From, Subject and Date are signed, each as often as it is there.
  bool covers_identity = false;
  // So are Content-Type, however it is spelt (mime_scan.h), and Content-Transfer-Encoding, as far
  // as they are there.
  bool covers_content_type = false;
};

struct SpfCheck {
  SpfResult result = SpfResult::kNone;  // kNone also where no envelope is known
  std::string domain;                   // that was checked: of MAIL FROM, else of HELO
  bool aligned = false;
};

enum class DmarcResult : uint8_t {
  kNone,  // the From domain publishes no policy
  kPass,
  kFail,
  kTempError,  // could not be found out now
  kPermError,  // no single From with one address, or no usable record
};

struct CarrierAuth {
  size_t from_fields = 0;    // in the header; anything but 1 cannot pass
  std::string from_address;  // of a single From with a single address; the domain in lower case
  std::string from_domain;
  std::vector<DkimCheck> dkim;  // at most the first 5 signatures, in the order of the header
  size_t signatures = 0;        // in the header
  SpfCheck spf;
  DmarcResult dmarc = DmarcResult::kNone;
  // A look-up failed whose answer could still turn this into a pass, or bring the aligned DKIM pass
  // where there is one by SPF alone: ask again later.
  bool unreachable = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_CARRIER_H_
