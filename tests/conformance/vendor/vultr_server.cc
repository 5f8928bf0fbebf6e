#include "tests/conformance/vendor/vultr_server.h"

#include <algorithm>

#include "lib/base/text.h"
#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse VultrServer::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"error", std::string(message)}, {"status", status}});
}

HttpResponse VultrServer::Serve(const VendorRequest& request) {
  const bool account = request.path == "/v2/account" && request.method == "GET";
  if (request.origin != "https://api.vultr.com" ||
      (!account && !request.path.starts_with("/v2/domains"))) {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Bearer " + token_) {
    return ErrorResponse(401, "Invalid API token.");
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  if (account) {
    if (!HasQuery(request, {})) return ErrorResponse(400, "query");
    return JsonResponse(200, {{"account",
                               {{"name", "Example"},
                                {"email", "dns@example.test"},
                                {"acls", rights_},
                                {"balance", -1.5},
                                {"pending_charges", 0}}}});
  }
  const std::vector<std::string> at(request.segments.begin() + 2, request.segments.end());
  const auto show_domain = [](const VendorZone& zone) -> Json {
    return {{"domain", zone.name.text()},
            {"date_created", "2020-10-10T01:56:20+00:00"},
            {"dns_sec", "disabled"}};
  };
  if (at.empty()) {
    if (request.method != "GET") return NotUnderstood(request, "no such method here");
    Json all = Json::array();
    for (const VendorZone& zone : zones_) all.push_back(show_domain(zone));
    return Page(request, "domains", all);
  }
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[0]).value());
  if (zone == nullptr) return ErrorResponse(404, "Invalid domain.");
  if (at.size() == 1 && request.method == "GET") {
    return JsonResponse(200, {{"domain", show_domain(*zone)}});
  }
  if (at.size() < 2 || at[1] != "records") return NotUnderstood(request, "no such path");
  if (records_forbidden()) return ErrorResponse(403, "Forbidden");
  if (at.size() == 2 && request.method == "GET") {
    Json all = Json::array();
    for (const VendorRecord& record : zone->records) all.push_back(Show(*zone, record));
    return Page(request, "records", all);
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  return Write(request, *zone, at.size() == 3 ? at[2] : "");
}

HttpResponse VultrServer::Write(const VendorRequest& request, VendorZone& zone,
                                const std::string& id) {
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if (!id.empty() && found == zone.records.end()) return ErrorResponse(404, "Invalid record.");
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
    if (const std::string key = UnknownMember(in, {"type", "name", "data", "ttl"});
        !key.empty() || in.at("type") != "TXT") {
      return NotUnderstood(request, "not a TXT record, or with " + key);
    }
    record.owner = OwnerIn(zone, in.at("name"), "");
    record.id = MakeRecordId();
    in.at("data");
  } else if (const std::string key = UnknownMember(in, {"data", "ttl"}); !key.empty()) {
    return NotUnderstood(request, "an edit of " + key);
  }
  if (in.contains("data")) {
    const std::string data = in["data"];
    if (data.size() < 3 || !data.starts_with('"') || !data.ends_with('"')) {
      return NotUnderstood(request, "no pair of quotes");
    }
    const std::string text = data.substr(1, data.size() - 2);
    if (text.find('"') != std::string::npos) return ErrorResponse(400, "Invalid data.");
    record.strings = MakeTxtRecord(text).strings;
    record.raw.clear();
  }
  if (in.contains("ttl")) record.ttl = in["ttl"];
  if (IsAlias(zone, record.owner)) return ErrorResponse(400, "A CNAME record exists already.");
  if (id.empty()) {
    zone.records.push_back(record);
  } else {
    *found = record;
  }
  Changed();
  if (!id.empty()) return JsonResponse(204, nullptr);
  return JsonResponse(201, {{"record", Show(zone, record)}});
}

HttpResponse VultrServer::Page(const VendorRequest& request, const char* member,
                               const Json& all) const {
  if (!HasQuery(request, {"per_page", "[cursor]"})) return ErrorResponse(400, "query");
  const size_t wanted = NumberIn(request.Query("per_page"));
  if (wanted < 1 || wanted > 500) return NotUnderstood(request, "page out of range");
  const std::string cursor = request.Query("cursor");
  const size_t page = cursor.empty() ? 1 : NumberIn(cursor.substr(cursor.rfind('=') + 1));
  if (page < 1) return ErrorResponse(400, "Invalid cursor.");
  const size_t size = PageSize(wanted);
  const bool more = page * size < all.size();
  return JsonResponse(
      200,
      {{member, PageOf(all, page, size)},
       {"meta",
        {{"total", all.size()},
         {"links", {{"next", more ? "bmV4dA==" + std::to_string(page + 1) : ""}, {"prev", ""}}}}}});
}

Json VultrServer::Show(const VendorZone& zone, const VendorRecord& record) const {
  return {{"id", record.id},
          {"type", record.type},
          {"name", RelativeTo(zone, record.owner, "")},
          {"data", record.raw.empty() ? "\"" + Join(record.strings, "") + "\"" : record.raw},
          {"priority", 0},
          {"ttl", record.ttl}};
}

}  // namespace dmarcate::testing_support
