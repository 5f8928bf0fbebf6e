#include "tests/conformance/vendor/linode_server.h"

#include <algorithm>

#include "lib/base/text.h"
#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {
namespace {

uint32_t RoundUp(uint32_t ttl) {
  if (ttl == 0) return 0;
  for (const uint32_t allowed :
       {300u, 3600u, 7200u, 14400u, 28800u, 57600u, 86400u, 172800u, 345600u, 604800u, 1209600u}) {
    if (ttl <= allowed) return allowed;
  }
  return 2419200;
}

}  // namespace

HttpResponse LinodeServer::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"errors", {{{"reason", std::string(message)}}}}});
}

HttpResponse LinodeServer::Serve(const VendorRequest& request) {
  if (request.origin != "https://api.linode.com" || !request.path.starts_with("/v4/domains")) {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Bearer " + token_) {
    return ErrorResponse(401, "Invalid Token");
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  const std::vector<std::string> at(request.segments.begin() + 2, request.segments.end());
  if (at.empty()) {
    if (request.method != "GET") return NotUnderstood(request, "no such method here");
    Json all = Json::array();
    for (const VendorZone& zone : zones_) {
      all.push_back({{"id", std::stoll(zone.id)},
                     {"domain", zone.name.text()},
                     {"type", zone.extra.value("type", "master")},
                     {"status", "active"},
                     {"ttl_sec", 0}});
    }
    return Page(request, all);
  }
  VendorZone* const zone = ZoneById(at[0]);
  if (zone == nullptr) return ErrorResponse(404, "Not found");
  if (at.size() < 2 || at[1] != "records") return NotUnderstood(request, "no such path");
  if (records_forbidden()) return ErrorResponse(403, "Your OAuth token is not authorized");
  if (at.size() == 2 && request.method == "GET") {
    Json all = Json::array();
    for (const VendorRecord& record : zone->records) all.push_back(Show(*zone, record));
    return Page(request, all);
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  return Write(request, *zone, at.size() == 3 ? at[2] : "");
}

HttpResponse LinodeServer::Write(const VendorRequest& request, VendorZone& zone,
                                 const std::string& id) {
  if (zone.extra.value("type", "master") != "master") {
    return ErrorResponse(400, "You can only edit records of master domains");
  }
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if (!id.empty() && found == zone.records.end()) return ErrorResponse(404, "Not found");
  if (request.method == "DELETE" && !id.empty()) {
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    zone.records.erase(found);
    Changed();
    return JsonResponse(200, Json::object());
  }
  if (request.method != (id.empty() ? "POST" : "PUT")) {
    return NotUnderstood(request, "no such method here");
  }
  const Json in = Json::parse(request.body);
  VendorRecord record = id.empty() ? VendorRecord{} : *found;
  if (id.empty()) {
    if (const std::string key = UnknownMember(in, {"type", "name", "target", "ttl_sec"});
        !key.empty() || in.at("type") != "TXT") {
      return NotUnderstood(request, "not a TXT record, or with " + key);
    }
    record.owner = OwnerIn(zone, in.at("name"), "");
    record.id = MakeRecordId();
    record.ttl = 0;
    record.strings = {};
    in.at("target");
  } else if (const std::string key = UnknownMember(in, {"target", "ttl_sec"}); !key.empty()) {
    return NotUnderstood(request, "an edit of " + key);
  }
  if (in.contains("target")) {
    const std::string target = in["target"];
    if (target.empty()) {
      return JsonResponse(400, {{"errors", {{{"field", "target"}, {"reason", "is required"}}}}});
    }
    record.strings = MakeTxtRecord(target).strings;
    record.raw.clear();
  }
  if (in.contains("ttl_sec") && !(id.empty() && ignore_ttl_)) record.ttl = RoundUp(in["ttl_sec"]);
  if (IsAlias(zone, record.owner)) return ErrorResponse(400, "A CNAME record exists at this name");
  if (id.empty()) {
    zone.records.push_back(record);
  } else {
    *found = record;
  }
  Changed();
  return JsonResponse(200, Show(zone, record));
}

HttpResponse LinodeServer::Page(const VendorRequest& request, const Json& all) const {
  if (!HasQuery(request, {"page", "page_size"})) return ErrorResponse(400, "query");
  const size_t page = NumberIn(request.Query("page"));
  const size_t wanted = NumberIn(request.Query("page_size"));
  if (page < 1 || wanted < 25 || wanted > 500) return NotUnderstood(request, "page out of range");
  const size_t size = PageSize(wanted);
  HttpResponse response =
      JsonResponse(200, {{"data", PageOf(all, page, size)},
                         {"page", page},
                         {"pages", std::max<size_t>(1, (all.size() + size - 1) / size)},
                         {"results", all.size()}});
  response.headers.push_back({"X-OAuth-Scopes", scopes_});
  return response;
}

Json LinodeServer::Show(const VendorZone& zone, const VendorRecord& record) const {
  return {{"id", std::stoll(record.id)},
          {"type", record.type},
          {"name", RelativeTo(zone, record.owner, "")},
          {"target", record.raw.empty() ? Join(record.strings, "") : record.raw},
          {"ttl_sec", record.ttl},
          {"priority", 0},
          {"weight", 0},
          {"port", 0},
          {"service", nullptr},
          {"protocol", nullptr},
          {"tag", nullptr}};
}

}  // namespace dmarcate::testing_support
