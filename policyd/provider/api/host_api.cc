#include "policyd/provider/api/host_api.h"

#include <algorithm>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kPauseBetweenTries = absl::Seconds(1);

absl::Status BadSecret(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, fmt::format("secret: {}", what));
}

}  // namespace

absl::StatusOr<std::vector<Json>> ReadPages(ApiCall& call, const PagedList& list) {
  std::vector<Json> all;
  PageGuard guard;
  for (uint64_t page = 1;; ++page) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(std::to_string(page)));
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response, call.Read({.url = list.url(page)}));
    const Json body = ParseJson(response.body);
    const Json& items = list.member == nullptr ? body : MemberOf(body, list.member);
    if (!items.is_array()) {
      return NotUnderstood(fmt::format("no list of {}", list.member ? list.member : "items"));
    }
    all.insert(all.end(), items.begin(), items.end());
    if (list.more(body, page)) {
      if (items.empty()) return NotUnderstood("an empty page before the last");
      continue;
    }
    // A list that changed meanwhile, or one that was cut: both are no list to conclude from.
    const uint64_t total = list.total ? list.total(body).value_or(all.size()) : all.size();
    if (total != all.size()) {
      return NotUnderstood(fmt::format("{} of {} items were sent", all.size(), total));
    }
    return all;
  }
}

void AddZone(std::vector<HostedZone>& zones, std::string_view name, std::string id,
             std::string read_only) {
  absl::StatusOr<DomainName> parsed = DomainName::Parse(name);
  if (!parsed.ok() || parsed->IsRoot()) return;
  zones.push_back({*std::move(parsed), std::move(id), std::move(read_only)});
}

absl::StatusOr<std::vector<HostedZone>> FindZoneAt(
    ApiCall& call, const std::string& url, const DomainName& name,
    const std::function<std::optional<std::string>(const Json& body)>& name_in) {
  std::vector<HostedZone> zones;
  const absl::StatusOr<HttpResponse> response = call.Read({.url = url});
  if (response.status().code() == absl::StatusCode::kNotFound) return zones;
  if (!response.ok()) return response.status();
  AddZone(zones, name_in(ParseJson(response->body)).value_or(""), name.text());
  if (zones.empty() || zones.front().name != name) return NotUnderstood("another domain");
  return zones;
}

HostedRecord MakeHostedRecord(TxtForm form, std::string id, std::string raw, uint32_t ttl_seconds) {
  HostedRecord record;
  record.id = std::move(id);
  record.raw = std::move(raw);
  record.ttl_seconds = ttl_seconds;
  if (absl::StatusOr<TxtRecord> txt = DecodeTxt(form, record.raw); txt.ok()) {
    record.txt = *std::move(txt);
  }
  return record;
}

void AddRecord(HostedRrSet& rrset, HostedRecord record) {
  rrset.ttl_seconds =
      rrset.records.empty() ? record.ttl_seconds : std::min(rrset.ttl_seconds, record.ttl_seconds);
  rrset.records.push_back(std::move(record));
}

absl::Status CheckPrintable(const HostedRrSet& now, const std::vector<TxtRecord>& after) {
  for (const TxtRecord& record : after) {
    const std::string text = record.Joined();
    const bool kept = std::ranges::any_of(
        now.records, [&](const HostedRecord& old) { return old.txt && old.txt->Joined() == text; });
    if (!kept && std::ranges::any_of(text, [](char c) { return c < 0x20 || c > 0x7E; })) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       "only printable ASCII is written here: how the host would take another "
                       "octet is not documented");
    }
  }
  return absl::OkStatus();
}

absl::Status TakeLaterStep(ApiCall& call, std::string_view done,
                           const std::function<absl::Status()>& take) {
  absl::Status status = take();
  while (status.code() == absl::StatusCode::kUnavailable &&
         call.Pause(kPauseBetweenTries, status)) {
    status = take();
  }
  if (status.ok()) return status;
  return MakeError(absl::StatusCode::kUnknown,
                   fmt::format("{}, then: {}", done, MessageOf(status)));
}

absl::Status UnknownAnswer(std::string_view what) {
  return MakeError(absl::StatusCode::kUnknown, MessageOf(NotUnderstood(what)));
}

absl::StatusOr<std::map<std::string, Secret>> ParseSecretLines(
    std::string_view text, const std::vector<std::string>& keys) {
  std::map<std::string, Secret> values;
  for (std::string_view line : Split(text, '\n')) {
    line = TrimAscii(line);
    if (line.empty() || line.front() == '#' || line.front() == ';' || line.front() == '[') continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key(TrimAscii(line.substr(0, equals)));
    if (std::ranges::find(keys, key) == keys.end()) continue;
    const std::string_view value = TrimAscii(line.substr(equals + 1));
    if (value.empty()) continue;
    if (!values.emplace(key, Secret(std::string(value))).second) {
      return BadSecret(fmt::format("{} twice", key));
    }
  }
  for (const std::string& key : keys) {
    if (!values.contains(key)) {
      return BadSecret(fmt::format("no {}; one line \"key = value\" for each of {} is wanted", key,
                                   Join(keys, ", ")));
    }
  }
  return values;
}

}  // namespace dmarcate
