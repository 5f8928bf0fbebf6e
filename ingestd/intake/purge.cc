#include "ingestd/intake/purge.h"

#include <algorithm>
#include <limits>
#include <string>

#include "ingestd/intake/to_proto.h"
#include "lib/base/ip_address.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/errors.h"
#include "lib/store/report_store.h"

namespace dmarcate {
namespace {

constexpr std::string_view kDomains = "domains/";

v1::PurgeReportsResponse ToMessage(const PurgeResult& result) {
  v1::PurgeReportsResponse out;
  out.set_scanned_count(result.scanned);
  out.set_report_count(result.reports);
  out.set_record_count(result.records);
  out.set_message_count(static_cast<int64_t>(
      std::min<uint64_t>(result.messages, std::numeric_limits<int64_t>::max())));
  out.set_receipt_count(result.receipts);
  out.set_raw_bytes(result.raw_bytes);
  return out;
}

}  // namespace

grpc::Status PurgeReports(Pipeline& pipeline, StorageGauge& gauge, const Call& call,
                          const v1::PurgeReportsRequest& in,
                          StreamWriter<v1::PurgeReportsResponse>& writer) {
  PurgeTarget target;
  switch (in.target_case()) {
    case v1::PurgeReportsRequest::kDomain: {
      if (!in.domain().starts_with(kDomains) || in.domain().size() == kDomains.size()) {
        return FieldError(Reason::kNameMalformed, "domain", "want domains/{domain}");
      }
      // As reports are filed: in canonical form, or as they name it if that is no domain name.
      const auto text = std::string_view(in.domain()).substr(kDomains.size());
      const auto name = DomainName::Parse(text);
      target.domain = name.ok() ? name->text() : AsciiLower(text);
      break;
    }
    case v1::PurgeReportsRequest::kSourceAddress: {
      const auto address = IpAddress::Parse(in.source_address());
      if (!address) {
        return FieldError(Reason::kFieldInvalid, "source_address", "want an IP address");
      }
      target.address = *address;
      // Reports are written anew; a domain is only deleted.
      if (in.validate_only()) break;
      if (const absl::Status admitted = gauge.AdmitRows(); !admitted.ok()) {
        return ToIntakeError(admitted);
      }
      break;
    }
    case v1::PurgeReportsRequest::TARGET_NOT_SET:
      return FieldError(Reason::kFieldRequired, "target", "want a domain or a source_address");
  }
  bool ended = false;
  const auto result =
      pipeline.Purge(target, in.validate_only() ? PurgeMode::kCount : PurgeMode::kRemove,
                     [&](const PurgeResult& so_far) {
                       ended = call.cancelled() || !writer.Write(ToMessage(so_far));
                       return !ended;
                     });
  if (!result.ok()) return ToIntakeError(result.status());
  if (ended) return grpc::Status::OK;  // nobody listens
  v1::PurgeReportsResponse response = ToMessage(*result);
  response.set_complete(true);
  writer.Write(response);
  return grpc::Status::OK;
}

}  // namespace dmarcate
