// ingestd/pipeline/convert_tls.h
// From a TLS report as read to what the store keeps of it: one item for each domain that it is
// about.

#ifndef DMARCATE_INGESTD_PIPELINE_CONVERT_TLS_H_
#define DMARCATE_INGESTD_PIPELINE_CONVERT_TLS_H_

#include <string_view>
#include <vector>

#include "ingestd/pipeline/trust.h"
#include "lib/store/report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

// `found.tls` is set. The items lack what every item has (file name), and the ordinals of their
// keys, which are those of the items in the receipt.
//
// A policy belongs to its policy-domain. One without a readable domain, and a report without
// policies, belong to the domain in the file name, else in the `subject` of the mail, else to the
// only domain that other policies name; where none of these says it, they are kept as a quarantined
// item, "policy_domain_missing". Repairs go with the policy that they are about; those of the whole
// document go with the first item. The first item has the digest of the document, the others each
// one made from it. All have the trust and the reporter of `verdict`, and its reason where they do
// not count. One about more than 256 domains is over the limit, "too_many_domains".
std::vector<ProcessedItem> ToTlsItems(const Receipt& receipt, UnpackedReport found,
                                      std::string_view subject, const TrustVerdict& verdict);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_CONVERT_TLS_H_
