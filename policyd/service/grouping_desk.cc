#include "policyd/service/grouping_desk.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/ip_address.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "policyd/analysis/regroup.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr int kMaxMergedAtOnce = 100;
constexpr size_t kMaxSplitId = 57;  // with the prefix a DNS label
constexpr size_t kMaxSourceId = 63;
constexpr int32_t kLongAgoDays = 400;

v1::SourceGrouping ToMessage(const SourceGrouping& rule, std::string_view domain) {
  v1::SourceGrouping out;
  out.set_source(DomainChildResource(domain, kSources, rule.from));
  out.set_into(DomainChildResource(domain, kSources, rule.into));
  for (const std::string& range : rule.ranges) out.add_ranges(range);
  out.set_decided_by(rule.decided_by);
  *out.mutable_decide_time() = ToTimestamp(rule.decide_time);
  out.set_note(ToValidUtf8(rule.note));
  return out;
}

// What CheckGrouping says, as clients see it.
absl::Status AsReason(const absl::Status& status, std::string_view field,
                      std::string_view resource) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return status;
    case absl::StatusCode::kAlreadyExists:
      return ReasonError(Reason::kResourceExists, std::string(MessageOf(status)),
                         {{"resource", std::string(resource)}});
    default:
      return FieldError(field, MessageOf(status));
  }
}

}  // namespace

absl::StatusOr<SourceGroupings> GroupingDesk::Read(const std::string& domain) {
  if (groupings_ == nullptr) {
    return MakeError(absl::StatusCode::kUnavailable, "sources cannot be grouped here");
  }
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  DMARCATE_ASSIGN_OR_RETURN(SourceGroupings read, groupings_->GetGroupings(domain));
  return read;
}

absl::Status GroupingDesk::CheckKnown(const Call& call, const DomainChild& source,
                                      const SourceGroupings& groupings) {
  const auto names_it = [&source](const SourceGrouping& rule) {
    return rule.from == source.id || rule.into == source.id;
  };
  if (std::ranges::any_of(groupings.rules, names_it)) return absl::OkStatus();
  if (parts_.analysis.catalogue().FindById(source.id) != nullptr) return absl::OkStatus();
  const std::string name = DomainChildResource(source.domain, kSources, source.id);
  DayRange range = DefaultRange(parts_.clock);
  absl::Status found = sources_.Find(call, name, range).status();
  if (found.code() == absl::StatusCode::kNotFound) {  // people tidy up what was long ago, too
    range.first = range.last - kLongAgoDays;
    found = sources_.Find(call, name, range).status();
  }
  if (found.code() != absl::StatusCode::kNotFound) return found;
  DMARCATE_ASSIGN_OR_RETURN(const auto statistics, parts_.analysis.Get(call, source.domain, range));
  std::vector<std::string> ids;
  for (const SourceStatistics& one : statistics->sources) ids.push_back(one.id);
  const std::string near = Nearest(source.id, ids);
  return ReasonError(
      Reason::kResourceNotFound,
      fmt::format("{}: no such source: no mail from {} to {}, no decision, no declaration{}", name,
                  FormatDay(range.first), FormatDay(range.last),
                  near.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", near)),
      {{"resource", name}, {"near", near}});
}

absl::Status GroupingDesk::Merge(const Call& call, const v1::MergeSourcesRequest& in,
                                 v1::MergeSourcesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild into, ParseDomainChild(in.name(), kSources, "name"));
  DMARCATE_RETURN_IF_ERROR(CheckLength("note", in.note(), kMaxNoteCharacters));
  if (in.sources().empty()) return FieldRequired("sources");
  if (in.sources_size() > kMaxMergedAtOnce) {
    return FieldError("sources", fmt::format("more than {}", kMaxMergedAtOnce));
  }
  DMARCATE_ASSIGN_OR_RETURN(SourceGroupings groupings, Read(into.domain));
  DMARCATE_RETURN_IF_ERROR(CheckKnown(call, into, groupings));
  for (const std::string& from : in.sources()) {
    if (from.empty() || from.size() > kMaxSourceId)
      return FieldError("sources", "no id of a source");
    SourceGrouping rule{.from = from,
                        .into = into.id,
                        .ranges = {},
                        .decided_by = call.principal().name,
                        .note = in.note(),
                        .decide_time = parts_.clock.Now()};
    DMARCATE_RETURN_IF_ERROR(AsReason(CheckGrouping(groupings.rules, rule), "sources",
                                      DomainChildResource(into.domain, kSources, from)));
    DMARCATE_RETURN_IF_ERROR(CheckKnown(call, {into.domain, from}, groupings));
    *out->add_groupings() = ToMessage(rule, into.domain);
    groupings.rules.push_back(std::move(rule));
  }
  if (in.validate_only()) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(groupings_->PutGroupings(std::move(groupings)).status());
  for (const std::string& from : in.sources()) {
    LogInfo("source_merged", {{"domain", into.domain},
                              {"source", from},
                              {"into", into.id},
                              {"by", call.principal().name}});
  }
  return absl::OkStatus();
}

absl::Status GroupingDesk::Split(const Call& call, const v1::SplitSourceRequest& in,
                                 v1::SplitSourceResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild from, ParseDomainChild(in.name(), kSources, "name"));
  DMARCATE_RETURN_IF_ERROR(CheckLength("note", in.note(), kMaxNoteCharacters));
  if (!IsChosenId(in.split_id()) || in.split_id().size() > kMaxSplitId) {
    return FieldError("split_id", "want 1 to 57 of a-z, 0-9 and '-', no '-' at an end");
  }
  if (in.ranges().empty()) return FieldRequired("ranges");
  SourceGrouping rule{.from = from.id,
                      .into = fmt::format("{}{}", kSplitPrefix, in.split_id()),
                      .ranges = {},
                      .decided_by = call.principal().name,
                      .note = in.note(),
                      .decide_time = parts_.clock.Now()};
  for (const std::string& text : in.ranges()) {
    const auto network = IpNetwork::Parse(text);
    if (!network) {
      return FieldError("ranges", fmt::format("\"{}\": want 192.0.2.0/24 or an address",
                                              EscapeForTerminal(text.substr(0, 100))));
    }
    rule.ranges.push_back(network->ToString());
  }
  DMARCATE_ASSIGN_OR_RETURN(SourceGroupings groupings, Read(from.domain));
  DMARCATE_RETURN_IF_ERROR(AsReason(CheckGrouping(groupings.rules, rule), "ranges",
                                    DomainChildResource(from.domain, kSources, rule.into)));
  *out->mutable_grouping() = ToMessage(rule, from.domain);
  if (in.validate_only()) return absl::OkStatus();
  groupings.rules.push_back(rule);
  DMARCATE_RETURN_IF_ERROR(groupings_->PutGroupings(std::move(groupings)).status());
  LogInfo("source_split", {{"domain", from.domain},
                           {"source", from.id},
                           {"into", rule.into},
                           {"by", call.principal().name}});
  return absl::OkStatus();
}

absl::Status GroupingDesk::Ungroup(const Call& call, const v1::UngroupSourceRequest& in,
                                   v1::UngroupSourceResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild source,
                            ParseDomainChild(in.name(), kSources, "name"));
  DMARCATE_ASSIGN_OR_RETURN(SourceGroupings groupings, Read(source.domain));
  // The last one first: what was split off and then merged is split off again.
  const auto found = std::find_if(
      groupings.rules.rbegin(), groupings.rules.rend(), [&source](const SourceGrouping& rule) {
        return rule.ranges.empty() ? rule.from == source.id : rule.into == source.id;
      });
  if (found == groupings.rules.rend()) return NotFound(in.name());
  *out->mutable_grouping() = ToMessage(*found, source.domain);
  if (in.validate_only()) return absl::OkStatus();
  groupings.rules.erase(std::next(found).base());
  DMARCATE_RETURN_IF_ERROR(groupings_->PutGroupings(std::move(groupings)).status());
  LogInfo("source_ungrouped",
          {{"domain", source.domain}, {"source", source.id}, {"by", call.principal().name}});
  return absl::OkStatus();
}

absl::Status GroupingDesk::List(const v1::ListSourceGroupingsRequest& in,
                                v1::ListSourceGroupingsResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const SourceGroupings groupings, Read(domain));
  for (const SourceGrouping& rule : groupings.rules)
    *out->add_groupings() = ToMessage(rule, domain);
  return absl::OkStatus();
}

}  // namespace dmarcate
