#include "policyd/service/record_history.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/key_codec.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/report_listing.h"

namespace dmarcate {
namespace {

v1::LookupOutcome ToMessage(ObservedOutcome outcome) {
  switch (outcome) {
    case ObservedOutcome::kRecords:
      return v1::LOOKUP_OUTCOME_RECORDS;
    case ObservedOutcome::kNoData:
      return v1::LOOKUP_OUTCOME_NODATA;
    case ObservedOutcome::kNxDomain:
      return v1::LOOKUP_OUTCOME_NXDOMAIN;
    case ObservedOutcome::kServfail:
      return v1::LOOKUP_OUTCOME_SERVFAIL;
    case ObservedOutcome::kTimeout:
      return v1::LOOKUP_OUTCOME_TIMEOUT;
    case ObservedOutcome::kBogus:
      return v1::LOOKUP_OUTCOME_BOGUS;
  }
  return v1::LOOKUP_OUTCOME_UNSPECIFIED;
}

v1::DnssecState ToMessage(DnssecState state) {
  switch (state) {
    case DnssecState::kUnknown:
      return v1::DNSSEC_STATE_UNSPECIFIED;
    case DnssecState::kInsecure:
      return v1::DNSSEC_STATE_INSECURE;
    case DnssecState::kSecure:
      return v1::DNSSEC_STATE_SECURE;
    case DnssecState::kBogus:
      return v1::DNSSEC_STATE_BOGUS;
  }
  return v1::DNSSEC_STATE_UNSPECIFIED;
}

template <typename Repeated>
void PutTexts(const std::vector<std::string>& from, Repeated* to) {
  for (const std::string& text : from) *to->Add() = ToValidUtf8(text);
}

// Sorted values that are in `values` and not in `others`.
std::vector<std::string> Without(const std::vector<std::string>& values,
                                 const std::vector<std::string>& others) {
  std::vector<std::string> out;
  std::ranges::set_difference(values, others, std::back_inserter(out));
  return out;
}

// `before`: the answer before it, or null.
void ToMessage(const ObservedName& name, const Observation& seen, const Observation* before,
               v1::RecordObservation* out) {
  out->set_type(ToMessage(name.kind));
  out->set_owner_name(name.owner);
  out->set_outcome(ToMessage(seen.outcome));
  out->set_error(ToValidUtf8(seen.error));
  PutTexts(seen.values, out->mutable_values());
  out->set_values_cut(!seen.values_sha256.empty());
  out->set_ttl_seconds(seen.ttl_seconds);
  PutTexts(seen.cname_chain, out->mutable_cname_chain());
  for (const ObservedServer& server : seen.disagreeing) {
    v1::DisagreeingServer* to = out->add_disagreeing_servers();
    to->set_name_server(server.name_server);
    to->set_address(server.address);
    to->set_outcome(ToMessage(server.outcome));
    PutTexts(server.values, to->mutable_values());
  }
  out->set_dnssec(ToMessage(seen.dnssec));
  *out->mutable_first_seen_time() = ToTimestamp(seen.first_seen);
  *out->mutable_last_seen_time() = ToTimestamp(seen.last_seen);
  if (before == nullptr || !IsAnswer(seen.outcome)) return;
  out->set_previous_outcome(ToMessage(before->outcome));
  PutTexts(Without(seen.values, before->values), out->mutable_added_values());
  PutTexts(Without(before->values, seen.values), out->mutable_removed_values());
  if (before->from_servers && seen.from_servers && before->ttl_seconds != seen.ttl_seconds) {
    out->set_previous_ttl_seconds(before->ttl_seconds);
  }
}

// Where a page begins: at the entry of a name that was first seen then, or the next older one.
struct HistoryPlace {
  ObservedName name;
  absl::Time first_seen;

  std::string ToString() const {
    std::string out;
    AppendKeyText(name.owner, &out);
    AppendKeyNumber(static_cast<uint64_t>(name.kind), 1, &out);
    AppendKeyNumber(static_cast<uint64_t>(absl::ToUnixMicros(first_seen)), 8, &out);
    return out;
  }
  static std::optional<HistoryPlace> Parse(std::string_view text) {
    auto owner = TakeKeyText(&text);
    const auto kind = TakeKeyNumber(&text, 1);
    const auto micros = TakeKeyNumber(&text, 8);
    if (!owner || !kind || !micros) return std::nullopt;  // the first page
    return HistoryPlace{{*std::move(owner), static_cast<RecordKind>(*kind)},
                        absl::FromUnixMicros(static_cast<int64_t>(*micros))};
  }
};

struct HistoryQuery {
  std::string domain;
  std::string owner;  // empty: all
  v1::RecordType type = v1::RECORD_TYPE_UNSPECIFIED;
  std::optional<HistoryPlace> from;

  bool Wants(const ObservedName& name) const {
    return (owner.empty() || name.owner == owner) &&
           (type == v1::RECORD_TYPE_UNSPECIFIED || ToMessage(name.kind) == type) &&
           (!from || name >= from->name);
  }
};

// Adds to the page what fits. The place of what did not; nothing: all did.
std::optional<HistoryPlace> FillPage(const HistoryQuery& query, const ObservedName& name,
                                     const std::vector<Observation>& history, size_t page_size,
                                     size_t* bytes, v1::ListRecordHistoryResponse* out) {
  for (size_t i = 0; i < history.size(); ++i) {
    const Observation& seen = history[i];
    if (query.from && name == query.from->name && seen.first_seen > query.from->first_seen) {
      continue;
    }
    const auto before =
        std::find_if(history.begin() + static_cast<ptrdiff_t>(i) + 1, history.end(),
                     [](const Observation& entry) { return IsAnswer(entry.outcome); });
    v1::RecordObservation message;
    ToMessage(name, seen, before == history.end() ? nullptr : &*before, &message);
    *bytes += message.ByteSizeLong();
    const auto filled = static_cast<size_t>(out->observations_size());
    if (filled == page_size || (*bytes > kListBytes && filled > 0)) {
      return HistoryPlace{name, seen.first_seen};
    }
    *out->add_observations() = std::move(message);
  }
  return std::nullopt;
}

}  // namespace

v1::RecordType ToMessage(RecordKind kind) {
  switch (kind) {
    case RecordKind::kSpf:
      return v1::RECORD_TYPE_SPF;
    case RecordKind::kDmarc:
      return v1::RECORD_TYPE_DMARC;
    case RecordKind::kDkim:
      return v1::RECORD_TYPE_DKIM;
    case RecordKind::kMx:
      return v1::RECORD_TYPE_MX;
    case RecordKind::kMtaSts:
      return v1::RECORD_TYPE_MTA_STS;
    case RecordKind::kTlsRpt:
      return v1::RECORD_TYPE_TLS_RPT;
  }
  return v1::RECORD_TYPE_UNSPECIFIED;
}

absl::Status ListRecordHistory(const ServiceParts& parts, ObservationStore& observations,
                               const Call& call, const v1::ListRecordHistoryRequest& in,
                               v1::ListRecordHistoryResponse* out) {
  HistoryQuery query;
  DMARCATE_ASSIGN_OR_RETURN(query.domain, ParseDomainResource(in.parent(), "parent"));
  if (!in.owner_name().empty()) {
    const auto owner = DomainName::Parse(in.owner_name());
    if (!owner.ok()) return FieldError("owner_name", MessageOf(owner.status()));
    query.owner = owner->text();
  }
  if (!v1::RecordType_IsValid(in.type())) return FieldError("type", "unknown record type");
  query.type = in.type();
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListRecordHistory", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string place, parts.pages.Read(scope, in.page_token()));
  query.from = HistoryPlace::Parse(place);
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts.policies, query.domain).status());
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ObservedName> names,
                            observations.ListObserved(query.domain));
  size_t bytes = 0;
  for (const ObservedName& name : names) {
    if (!query.Wants(name)) continue;
    if (call.cancelled()) return Cancelled();
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<Observation> history,
                              observations.GetHistory(query.domain, name));
    const auto next = FillPage(query, name, history, page_size, &bytes, out);
    if (!next) continue;
    out->set_next_page_token(parts.pages.Make(scope, next->ToString()));
    break;
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
