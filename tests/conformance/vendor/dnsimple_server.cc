#include "tests/conformance/vendor/dnsimple_server.h"

#include <algorithm>

#include "lib/base/text.h"
#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse DnsimpleServer::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"message", std::string(message)}});
}

HttpResponse DnsimpleServer::Serve(const VendorRequest& request) {
  if (request.origin != "https://api.dnsimple.com" || request.segments.size() < 2 ||
      request.segments[0] != "v2") {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Bearer " + token_) {
    return ErrorResponse(401, "Authentication failed");
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  std::vector<std::string> at(request.segments.begin() + 1, request.segments.end());
  if (at == std::vector<std::string>{"whoami"} && request.method == "GET") {
    if (!HasQuery(request, {})) return ErrorResponse(400, "query");
    Json account, user;
    if (account_) account = {{"id", std::stoll(kAccount)}, {"email", "dns@example.test"}};
    if (!account_) user = {{"id", 7}, {"email", "somebody@example.test"}};
    return JsonResponse(200, {{"data", {{"user", user}, {"account", account}}}});
  }
  if (at.size() < 2 || at[0] != kAccount || at[1] != "zones") {
    return NotUnderstood(request, "no such path");
  }
  at.erase(at.begin(), at.begin() + 2);
  if (at.empty()) {
    if (request.method != "GET") return NotUnderstood(request, "no such method here");
    if (!HasQuery(request, {"page", "per_page"})) return ErrorResponse(400, "query");
    Json all = Json::array();
    for (const VendorZone& zone : zones_) all.push_back(ShowZone(zone));
    return Page(request, all);
  }
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[0]).value());
  if (zone == nullptr) return ErrorResponse(404, "Zone `" + at[0] + "` not found");
  if (at.size() == 1 && request.method == "GET") {
    return JsonResponse(200, {{"data", ShowZone(*zone)}});
  }
  if (at.size() < 2 || at[1] != "records") return NotUnderstood(request, "no such path");
  if (records_forbidden()) return ErrorResponse(403, "Permission Denied");
  if (at.size() == 2 && request.method == "GET") {
    if (!HasQuery(request, {"page", "per_page", "name", "type"}))
      return ErrorResponse(400, "query");
    Json all = Json::array();
    for (const VendorRecord& record : zone->records) {
      if (record.type == request.Query("type") &&
          RelativeTo(*zone, record.owner, "") == request.Query("name")) {
        all.push_back(Show(*zone, record));
      }
    }
    return Page(request, all);
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  return Write(request, *zone, at.size() == 3 ? at[2] : "");
}

HttpResponse DnsimpleServer::Write(const VendorRequest& request, VendorZone& zone,
                                   const std::string& id) {
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if (!id.empty() && found == zone.records.end()) {
    return ErrorResponse(404, "Record `" + id + "` not found");
  }
  if (!id.empty() &&
      (found->extra.value("system_record", false) || found->extra.contains("parent_id"))) {
    return ErrorResponse(400, "System records cannot be changed");
  }
  if (request.method == "DELETE" && !id.empty()) {
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    zone.records.erase(found);
    Changed();
    return JsonResponse(204, nullptr);
  }
  if (request.method != (id.empty() ? "POST" : "PATCH")) {
    return NotUnderstood(request, "no such method here");
  }
  const Json in = Json::parse(request.body);
  VendorRecord record = id.empty() ? VendorRecord{} : *found;
  if (id.empty()) {
    if (const std::string key = UnknownMember(in, {"type", "name", "content", "ttl"});
        !key.empty() || in.at("type") != "TXT") {
      return NotUnderstood(request, "not a TXT record, or with " + key);
    }
    record.owner = OwnerIn(zone, in.at("name"), "");
    record.id = MakeRecordId();
    in.at("content");
  } else if (const std::string key = UnknownMember(in, {"content", "ttl"}); !key.empty()) {
    return NotUnderstood(request, "an edit of " + key);
  }
  const auto invalid = [&](const char* why) {
    return JsonResponse(400, {{"message", "Validation failed"}, {"errors", {{"content", {why}}}}});
  };
  if (in.contains("content")) {
    const std::string content = in["content"];
    if (content.empty()) return invalid("can't be blank");
    if (content.size() > 1000) return invalid("is too long");
    if (content.ends_with(' ')) return invalid("has a blank at the end");
    const bool quoted = content.size() > 1 && content.starts_with('"') && content.ends_with('"');
    if (quoted) {
      const auto parsed = ParseTxtPresentation(content);
      if (!parsed.ok()) return invalid("has an unpaired quote");
      record.strings = parsed->strings;
    } else {
      if (content.find('"') != std::string::npos) return invalid("has an unpaired quote");
      record.strings = MakeTxtRecord(content).strings;
    }
    record.raw.clear();
  }
  if (in.contains("ttl")) record.ttl = in["ttl"];
  if (record.ttl < 60) return invalid("ttl is too low");
  if (IsAlias(zone, record.owner)) return invalid("conflicts with a CNAME record");
  if (id.empty()) {
    zone.records.push_back(record);
  } else {
    *found = record;
  }
  Changed();
  return JsonResponse(id.empty() ? 201 : 200, {{"data", Show(zone, record)}});
}

HttpResponse DnsimpleServer::Page(const VendorRequest& request, const Json& all) const {
  const size_t page = NumberIn(request.Query("page"));
  const size_t wanted = NumberIn(request.Query("per_page"));
  if (page < 1 || wanted < 1 || wanted > 100) return NotUnderstood(request, "page out of range");
  const size_t size = PageSize(wanted);
  return JsonResponse(200, {{"data", PageOf(all, page, size)},
                            {"pagination",
                             {{"current_page", page},
                              {"per_page", size},
                              {"total_entries", all.size()},
                              {"total_pages", (all.size() + size - 1) / size}}}});
}

Json DnsimpleServer::ShowZone(const VendorZone& zone) const {
  return {{"id", 1},
          {"account_id", std::stoll(kAccount)},
          {"name", zone.name.text()},
          {"reverse", false},
          {"secondary", zone.extra.value("secondary", false)},
          {"active", true}};
}

Json DnsimpleServer::Show(const VendorZone& zone, const VendorRecord& record) const {
  // Quoted or raw: one and the other.
  std::string content = record.raw;
  if (content.empty()) {
    const std::string joined = Join(record.strings, "");
    const bool raw = record.strings.size() == 1 && std::stoll(record.id) % 2 == 0 &&
                     joined.find_first_of("\"\\ ") == std::string::npos;
    content = raw ? joined : TxtRecord{record.strings}.ToPresentation();
  }
  return {{"id", std::stoll(record.id)},
          {"zone_id", zone.name.text()},
          {"parent_id", record.extra.value("parent_id", Json())},
          {"name", RelativeTo(zone, record.owner, "")},
          {"content", content},
          {"ttl", record.ttl},
          {"priority", nullptr},
          {"type", record.type},
          {"regions", {"global"}},
          {"system_record", record.extra.value("system_record", false)}};
}

}  // namespace dmarcate::testing_support
