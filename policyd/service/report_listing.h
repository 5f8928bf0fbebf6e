// policyd/service/report_listing.h
// What the methods about stored reports have in common, whatever their kind: how a name and a
// request for a list are read, and how much of a page is answered.

#ifndef DMARCATE_POLICYD_SERVICE_REPORT_LISTING_H_
#define DMARCATE_POLICYD_SERVICE_REPORT_LISTING_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <google/protobuf/repeated_ptr_field.h>

#include "lib/base/status_macros.h"
#include "lib/rpc/call.h"
#include "lib/store/report_store.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"
#include "policyd/service/names.h"
#include "policyd/service/paging.h"

namespace dmarcate {

// gRPC's clients take 4 MiB if nobody tells them otherwise, and of what strangers wrote a report
// may hold tens of kilobytes.
inline constexpr size_t kListBytes = size_t{3} << 20;

struct ReportListing {
  std::string domain;
  DayRange range;
  std::optional<ReportKey> from;  // of the first report of this page, which stands in the token
  size_t page_size = 0;
  std::string scope;  // of the token of the next page
};

// `Request`: ListAggregateReportsRequest and its like. Errors are those of the RPCs.
template <typename Request>
absl::StatusOr<ReportListing> ReadReportListing(const ServiceParts& parts, const Call& call,
                                                std::string_view method, const Request& in) {
  ReportListing out;
  DMARCATE_ASSIGN_OR_RETURN(out.domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(out.page_size, PageSize(in.page_size()));
  out.scope = PageScope(method, call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string place, parts.pages.Read(out.scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(out.range, ReadRange(in.date_range(), parts.clock));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts.policies, out.domain).status());
  if (!place.empty()) out.from = ReportKey::FromId(out.domain, place);
  return out;
}

// "domains/{domain}/{collection}/{report}", of a domain that is managed. Errors are those of the
// RPCs.
inline absl::StatusOr<ReportKey> ReadReportName(const ServiceParts& parts, std::string_view name,
                                                std::string_view collection) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child, ParseDomainChild(name, collection, "name"));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts.policies, child.domain).status());
  std::optional<ReportKey> key = ReportKey::FromId(child.domain, child.id);
  if (!key) return NotFound(name);
  return *std::move(key);
}

// Adds of `reports` what fits into kListBytes, one at least. Where the next page begins: `next`, or
// what did not fit.
template <typename Stored, typename Message>
std::optional<ReportKey> FillListing(const std::vector<Stored>& reports,
                                     std::optional<ReportKey> next,
                                     void (*fill)(const Stored&, Message*),
                                     google::protobuf::RepeatedPtrField<Message>* out) {
  size_t bytes = 0;
  for (const Stored& stored : reports) {
    Message message;
    fill(stored, &message);
    bytes += message.ByteSizeLong();
    if (bytes > kListBytes && !out->empty()) return stored.key;
    *out->Add() = std::move(message);
  }
  return next;
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REPORT_LISTING_H_
