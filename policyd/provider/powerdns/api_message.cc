#include "policyd/provider/powerdns/api_message.h"

#include <limits>
#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/json.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxQuotedError = 200;
constexpr size_t kMaxZones = 100'000;

absl::Status ReadTxtRrSet(const Json& rrset, PowerDnsZone& zone) {
  const auto ttl = rrset.find("ttl");
  if (ttl == rrset.end() || !ttl->is_number_unsigned() ||
      ttl->get<uint64_t>() > std::numeric_limits<int32_t>::max()) {
    return NotUnderstood("rrset without ttl");
  }
  zone.ttl_seconds = ttl->get<uint32_t>();
  const auto records = rrset.find("records");
  if (records == rrset.end() || !records->is_array()) return NotUnderstood("rrset without records");
  for (const Json& record : *records) {
    const std::optional<std::string> content = StringAt(record, "content");
    if (!content.has_value()) return NotUnderstood("record without content");
    const auto disabled = record.find("disabled");
    if (disabled != record.end() && disabled->is_boolean() && disabled->get<bool>()) {
      zone.disabled.push_back(*content);
      continue;
    }
    absl::StatusOr<TxtRecord> txt = ParseTxtPresentation(*content);
    if (!txt.ok()) return NotUnderstood(MessageOf(txt.status()));
    zone.served.push_back(*std::move(txt));
  }
  return absl::OkStatus();
}

bool MentionsCname(std::string_view text) {
  return AsciiLower(text).find("cname") != std::string::npos;
}

}  // namespace

bool PowerDnsZone::IsWritable() const {
  return EqualsIgnoreCase(kind, "Native") || EqualsIgnoreCase(kind, "Master") ||
         EqualsIgnoreCase(kind, "Primary") || EqualsIgnoreCase(kind, "Producer");
}

absl::StatusOr<PowerDnsZone> ParsePowerDnsZone(std::string_view json, const DomainName& owner) {
  const Json root = ParseJson(json);
  PowerDnsZone zone;
  const std::optional<std::string> kind = StringAt(root, "kind");
  if (!kind.has_value()) return NotUnderstood("zone without kind");
  zone.kind = *kind;
  const auto rrsets = root.find("rrsets");
  if (rrsets == root.end() || !rrsets->is_array()) return NotUnderstood("zone without rrsets");
  bool found = false;
  for (const Json& rrset : *rrsets) {
    const std::optional<std::string> name = StringAt(rrset, "name");
    const std::optional<std::string> type = StringAt(rrset, "type");
    if (!name.has_value() || !type.has_value()) return NotUnderstood("rrset without name or type");
    const absl::StatusOr<DomainName> parsed = DomainName::Parse(*name);
    if (!parsed.ok() || *parsed != owner) continue;  // not every name of a zone is one for mail
    if (*type == "CNAME") zone.has_cname = true;
    if (*type != "TXT") continue;
    if (std::exchange(found, true)) return NotUnderstood("one rrset twice");
    DMARCATE_RETURN_IF_ERROR(ReadTxtRrSet(rrset, zone));
  }
  return zone;
}

absl::StatusOr<std::vector<DomainName>> ParsePowerDnsZoneNames(std::string_view json) {
  const Json root = ParseJson(json);
  if (!root.is_array() || root.size() > kMaxZones) return NotUnderstood("no list of zones");
  std::vector<DomainName> names;
  for (const Json& zone : root) {
    const std::optional<std::string> name = StringAt(zone, "name");
    if (!name.has_value()) return NotUnderstood("zone without name");
    // The root and names that are none for mail are of no interest.
    absl::StatusOr<DomainName> parsed = DomainName::Parse(*name);
    if (parsed.ok() && !parsed->IsRoot()) names.push_back(*std::move(parsed));
  }
  return names;
}

std::string MakePowerDnsPatch(const DomainName& owner, uint32_t ttl_seconds,
                              const std::vector<TxtRecord>& records,
                              const std::vector<std::string>& disabled) {
  Json rrset = {{"name", owner.ToFqdn()}, {"type", "TXT"}};
  if (records.empty() && disabled.empty()) {
    rrset["changetype"] = "DELETE";
  } else {
    rrset["changetype"] = "REPLACE";
    rrset["ttl"] = ttl_seconds;
    rrset["records"] = Json::array();
    for (const TxtRecord& record : records) {
      rrset["records"].push_back({{"content", record.ToPresentation()}, {"disabled", false}});
    }
    for (const std::string& content : disabled) {
      rrset["records"].push_back({{"content", content}, {"disabled", true}});
    }
  }
  // Contents are ASCII: presentation form escapes the rest. `replace` keeps dump() from throwing.
  return Json{{"rrsets", Json::array({rrset})}}.dump(-1, ' ', true, Json::error_handler_t::replace);
}

absl::Status PowerDnsError(const HttpResponse& response, HttpAccess access) {
  const int status = response.status;
  if (status >= 200 && status < 300) return absl::OkStatus();
  std::string said = StringAt(ParseJson(response.body), "error").value_or("");
  if (said.size() > kMaxQuotedError) said.resize(kMaxQuotedError);
  said = EscapeForTerminal(said);
  const std::string message =
      said.empty() ? fmt::format("http {}", status) : fmt::format("http {}: {}", status, said);
  const auto error = [&](absl::StatusCode code) { return MakeError(code, message); };
  if (status == 401 || status == 403) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     fmt::format("{}; the API key is not accepted", message));
  }
  if (status == 404) return error(absl::StatusCode::kNotFound);
  if (status == 429) return error(absl::StatusCode::kUnavailable);
  if (status >= 500 && status < 600) {
    return error(access == HttpAccess::kWrite ? absl::StatusCode::kUnknown
                                              : absl::StatusCode::kUnavailable);
  }
  if ((status == 409 || status == 422) && MentionsCname(said)) {
    return error(absl::StatusCode::kFailedPrecondition);
  }
  if (status >= 400) return error(absl::StatusCode::kInvalidArgument);
  return error(absl::StatusCode::kDataLoss);
}

}  // namespace dmarcate
