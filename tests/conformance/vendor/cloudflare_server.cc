#include "tests/conformance/vendor/cloudflare_server.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/text.h"

namespace dmarcate::testing_support {
namespace {

constexpr size_t kMaxContent = 2048;

bool IsText(const Json& in, const char* key) { return in.contains(key) && in[key].is_string(); }

}  // namespace

HttpResponse CloudflareServer::Error(int status, int code, std::string_view message) const {
  return JsonResponse(status, {{"success", false},
                               {"errors", {{{"code", code}, {"message", std::string(message)}}}},
                               {"messages", Json::array()},
                               {"result", nullptr}});
}

HttpResponse CloudflareServer::ErrorResponse(int status, std::string_view message) const {
  const int code = status == 401   ? 10000
                   : status == 403 ? 9109
                   : status == 404 ? 7003
                   : status == 429 ? 971
                                   : 1004;
  return Error(status, code, message);
}

HttpResponse CloudflareServer::Result(const Json& result) {
  return JsonResponse(200, {{"success", true},
                            {"errors", Json::array()},
                            {"messages", Json::array()},
                            {"result", result}});
}

std::string CloudflareServer::MakeZoneId(const DomainName&) {
  return fmt::format("{:0>32}", NextId());
}
std::string CloudflareServer::MakeRecordId() { return fmt::format("{:a>32}", NextId()); }

HttpResponse CloudflareServer::Serve(const VendorRequest& request) {
  if (request.origin != "https://api.cloudflare.com" || !request.path.starts_with("/client/v4/")) {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Bearer " + token_) {
    return Error(403, 9109, "Invalid access token");
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  const std::vector<std::string> at(request.segments.begin() + 2, request.segments.end());
  const std::string& method = request.method;
  if (at == std::vector<std::string>{"user", "tokens", "verify"} && method == "GET") {
    return Result(token_state_);
  }
  if (at == std::vector<std::string>{"zones"} && method == "GET") return Zones(request);
  if (at.size() < 3 || at[0] != "zones" || at[2] != "dns_records") {
    return NotUnderstood(request, "no such path");
  }
  VendorZone* const zone = ZoneById(at[1]);
  if (zone == nullptr) return Error(404, 7003, "Could not route, perhaps your object id is wrong");
  if (records_forbidden()) return Error(403, 10000, "Authentication error");
  if (at.size() == 3 && method == "GET") return List(request, *zone);
  if (!request.query.empty()) return NotUnderstood(request, "a write has no query");
  Json shown;
  std::optional<HttpResponse> refused;
  if (at.size() == 3 && method == "POST") {
    refused = Create(*zone, Json::parse(request.body), shown);
  } else if (at.size() == 4 && at[3] == "batch" && method == "POST") {
    return Batch(request, *zone);
  } else if (at.size() == 4 && method == "PATCH") {
    refused = Patch(*zone, at[3], Json::parse(request.body), shown);
  } else if (at.size() == 4 && method == "DELETE") {
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    refused = Delete(*zone, at[3]);
    if (!refused) {
      Changed();
      return JsonResponse(200, {{"result", {{"id", at[3]}}}});
    }
  } else {
    return NotUnderstood(request, "no such method here");
  }
  if (refused) return *refused;
  Changed();
  return Result(shown);
}

HttpResponse CloudflareServer::Page(const VendorRequest& request, const Json& all,
                                    size_t most) const {
  const size_t page = std::stoul(request.Query("page"));
  const size_t wanted = std::stoul(request.Query("per_page"));
  if (page < 1 || wanted < 1 || wanted > most) return NotUnderstood(request, "page out of range");
  const size_t size = PageSize(wanted);
  Json items = Json::array();
  for (size_t i = (page - 1) * size; i < std::min(all.size(), page * size); ++i) {
    items.push_back(all[i]);
  }
  return JsonResponse(200, {{"success", true},
                            {"errors", Json::array()},
                            {"messages", Json::array()},
                            {"result", items},
                            {"result_info",
                             {{"page", page},
                              {"per_page", size},
                              {"count", items.size()},
                              {"total_count", all.size()},
                              {"total_pages", (all.size() + size - 1) / size}}}});
}

HttpResponse CloudflareServer::Zones(const VendorRequest& request) {
  if (!HasQuery(request, {"page", "per_page", "[name]", "[match]"})) {
    return ErrorResponse(400, "query");
  }
  Json all = Json::array();
  for (const VendorZone& zone : zones_) {
    if (request.query.contains("name") && request.Query("name") != zone.name.text()) continue;
    Json shown = {{"id", zone.id},
                  {"name", zone.name.text()},
                  {"status", "active"},
                  {"paused", false},
                  {"type", "full"},
                  {"permissions", {"#dns_records:edit", "#dns_records:read", "#zone:read"}}};
    shown.update(zone.extra);
    all.push_back(shown);
  }
  return Page(request, all, 50);
}

HttpResponse CloudflareServer::List(const VendorRequest& request, const VendorZone& zone) {
  if (!HasQuery(request, {"page", "per_page", "type", "name"})) return ErrorResponse(400, "query");
  Json all = Json::array();
  for (const VendorRecord& record : zone.records) {
    if (record.type == request.Query("type") && record.owner.text() == request.Query("name")) {
      all.push_back(Show(zone, record));
    }
  }
  return Page(request, all, 5000);
}

Json CloudflareServer::Show(const VendorZone& zone, const VendorRecord& record) const {
  Json out = {
      {"id", record.id},
      {"type", record.type},
      {"name", record.owner.text()},
      {"content", record.raw.empty() ? TxtRecord{record.strings}.ToPresentation() : record.raw},
      {"ttl", record.ttl},
      {"proxied", false},
      {"proxiable", false},
      {"settings", Json::object()},
      {"meta", Json::object()},
      {"comment", nullptr},
      {"tags", Json::array()},
      {"zone_id", zone.id},
      {"zone_name", zone.name.text()}};
  if (record.extra.is_object()) out.update(record.extra);
  return out;
}

std::optional<std::vector<std::string>> CloudflareServer::Keep(const std::string& content) const {
  if (content.empty() || content.size() > kMaxContent * 4) return std::nullopt;
  // Quoted strings; the host would cut raw text itself, but then a reader does not know how.
  if (!content.starts_with('"') || !content.ends_with('"')) return std::nullopt;
  const auto parsed = ParseTxtPresentation(content);
  if (!parsed.ok() || parsed->Joined().empty()) return std::nullopt;
  return parsed->strings;
}

std::optional<HttpResponse> CloudflareServer::Check(const VendorZone& zone,
                                                    const VendorRecord& record) const {
  if (record.strings.empty()) return Error(400, 9005, "Content for TXT record is invalid.");
  if (record.ttl != 1 && (record.ttl < 60 || record.ttl > 86400)) {
    return Error(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1.");
  }
  if (!record.owner.IsAtOrBelow(zone.name)) return Error(400, 9000, "DNS name is invalid.");
  if (IsAlias(zone, record.owner)) {
    return Error(400, 81054, "A CNAME record with that host already exists.");
  }
  for (const VendorRecord& other : zone.records) {
    if (other.id != record.id && other.owner == record.owner && other.type == "TXT" &&
        Join(other.strings, "") == Join(record.strings, "")) {
      return Error(400, 81058, "An identical record already exists.");
    }
  }
  return std::nullopt;
}

std::optional<HttpResponse> CloudflareServer::Create(VendorZone& zone, const Json& in,
                                                     Json& shown) {
  for (const auto& [key, value] : in.items()) {
    if (key != "type" && key != "name" && key != "content" && key != "ttl") {
      return Error(400, 1004, "unknown member " + key);
    }
  }
  if (!IsText(in, "type") || !IsText(in, "name") || !IsText(in, "content") ||
      !in.at("ttl").is_number_unsigned() || in["type"] != "TXT") {
    return Error(400, 1004, "DNS Validation Error");
  }
  VendorRecord record;
  record.owner = DomainName::Parse(in["name"].get<std::string>()).value();
  record.ttl = in["ttl"];
  record.strings = Keep(in["content"]).value_or(std::vector<std::string>{});
  if (auto refused = Check(zone, record)) return refused;
  record.id = MakeRecordId();
  zone.records.push_back(record);
  shown = Show(zone, record);
  return std::nullopt;
}

std::optional<HttpResponse> CloudflareServer::Patch(VendorZone& zone, const std::string& id,
                                                    const Json& in, Json& shown) {
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if (found == zone.records.end()) return Error(404, 81044, "Record does not exist.");
  if (found->extra.value("locked", false)) return Error(400, 1043, "The record is read only.");
  VendorRecord record = *found;
  for (const auto& [key, value] : in.items()) {
    if (key == "content" && value.is_string()) {
      record.strings = Keep(value).value_or(std::vector<std::string>{});
      record.raw.clear();
    } else if (key == "ttl" && value.is_number_unsigned()) {
      record.ttl = value;
    } else if (key != "id") {
      return Error(400, 1004, "unknown member " + key);
    }
  }
  if (auto refused = Check(zone, record)) return refused;
  *found = record;
  shown = Show(zone, record);
  return std::nullopt;
}

std::optional<HttpResponse> CloudflareServer::Delete(VendorZone& zone, const std::string& id) {
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if (found == zone.records.end()) return Error(404, 81044, "Record does not exist.");
  if (found->extra.value("locked", false)) return Error(400, 1043, "The record is read only.");
  zone.records.erase(found);
  return std::nullopt;
}

HttpResponse CloudflareServer::Batch(const VendorRequest& request, VendorZone& zone) {
  const Json in = Json::parse(request.body);
  VendorZone copy = zone;  // one transaction
  size_t changes = 0;
  Json result = Json::object();
  for (const char* const key : {"deletes", "patches", "puts", "posts"}) {
    result[key] = Json::array();
    if (!in.contains(key)) continue;
    for (const Json& item : in[key]) {
      ++changes;
      Json shown = item;
      std::optional<HttpResponse> refused;
      if (std::string_view(key) == "deletes") refused = Delete(copy, item.at("id"));
      if (std::string_view(key) == "patches") refused = Patch(copy, item.at("id"), item, shown);
      if (std::string_view(key) == "puts") return NotUnderstood(request, "a put resets settings");
      if (std::string_view(key) == "posts") refused = Create(copy, item, shown);
      if (refused) return *refused;
      result[key].push_back(shown);
    }
  }
  if (changes == 0 || changes > 200) return Error(400, 9211, "too many changes, or none");
  zone = copy;
  Changed();
  return Result(result);
}

}  // namespace dmarcate::testing_support
