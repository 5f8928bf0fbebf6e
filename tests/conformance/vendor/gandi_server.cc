#include "tests/conformance/vendor/gandi_server.h"

#include <algorithm>

#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse GandiServer::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"cause", status == 404 ? "Not Found" : "Bad Request"},
                               {"code", status},
                               {"message", std::string(message)},
                               {"object", "HTTPError"}});
}

HttpResponse GandiServer::Serve(const VendorRequest& request) {
  const bool info = request.origin == "https://id.gandi.net" && request.path == "/tokeninfo" &&
                    request.method == "GET" && request.query.empty();
  if (!info && (request.origin != "https://api.gandi.net" || request.segments.size() < 3 ||
                !request.path.starts_with("/v5/livedns/domains"))) {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Bearer " + token_) {
    return ErrorResponse(401, "The server could not verify that you authorized to access");
  }
  if (info) {
    return JsonResponse(200, {{"pat_name", "dmarcate"},
                              {"scope", scopes_},
                              {"entities", Json::array()},
                              {"expires_in", 2'592'000}});
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  const std::vector<std::string> at(request.segments.begin() + 3, request.segments.end());
  const std::string& method = request.method;
  if (at.empty()) {
    if (method != "GET") return NotUnderstood(request, "no such method here");
    if (!HasQuery(request, {"page", "per_page"})) return ErrorResponse(400, "query");
    const size_t wanted = NumberIn(request.Query("per_page"));
    const size_t page = NumberIn(request.Query("page"));
    if (page < 1 || wanted < 1 || wanted > 100) return NotUnderstood(request, "page out of range");
    Json all = Json::array();
    for (const VendorZone& zone : zones_) {
      const std::string href = "https://api.gandi.net/v5/livedns/domains/" + zone.name.text();
      all.push_back({{"fqdn", zone.name.text()},
                     {"domain_href", href},
                     {"domain_records_href", href + "/records"}});
    }
    HttpResponse response = JsonResponse(200, PageOf(all, page, PageSize(wanted)));
    if (total_) response.headers.push_back({"Total-Count", std::to_string(all.size())});
    return response;
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[0]).value());
  if (zone == nullptr) return ErrorResponse(404, "The resource could not be found.");
  if (at.size() == 1 && method == "GET") {
    return JsonResponse(200, {{"fqdn", zone->name.text()}, {"automatic_snapshots", true}});
  }
  // Without a type, a PUT would replace every type of the name.
  if (at.size() != 4 || at[1] != "records" || at[3] != "TXT") {
    return NotUnderstood(request, "no such path");
  }
  if (records_forbidden()) return ErrorResponse(403, "Access to this resource is denied.");
  const DomainName owner = OwnerIn(*zone, at[2], "@");
  const auto of_set = [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  };
  const bool there = std::ranges::any_of(zone->records, of_set);
  if (!there && (method == "GET" || method == "DELETE")) {
    return JsonResponse(404,
                        {{"cause", "Not Found"},
                         {"code", 404},
                         {"message", "Can't find the DNS record " + at[2] + "/TXT in the zone"},
                         {"object", "dns-record"}});
  }
  if (method == "GET") {
    Json set = {{"rrset_name", at[2]}, {"rrset_type", "TXT"}, {"rrset_values", Json::array()}};
    for (const VendorRecord& record : zone->records) {
      if (!of_set(record)) continue;
      set["rrset_ttl"] = record.ttl;
      set["rrset_values"].push_back(record.raw.empty() ? TxtRecord{record.strings}.ToPresentation()
                                                       : record.raw);
    }
    return JsonResponse(200, set);
  }
  if (method == "DELETE") {
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    std::erase_if(zone->records, of_set);
    Changed();
    return JsonResponse(204, nullptr);
  }
  if (method == "POST" && there) {
    return JsonResponse(409, {{"cause", "Conflict"},
                              {"code", 409},
                              {"message", "A DNS Record already exists with same value"},
                              {"object", "dns-record"}});
  }
  if (method == "POST" || method == "PUT") return Keep(request, *zone, owner);
  return NotUnderstood(request, "no such method here");
}

HttpResponse GandiServer::Keep(const VendorRequest& request, VendorZone& zone,
                               const DomainName& owner) {
  const Json in = Json::parse(request.body);
  if (const std::string key = UnknownMember(in, {"rrset_ttl", "rrset_values"}); !key.empty()) {
    return NotUnderstood(request, "unknown member " + key);
  }
  const uint32_t ttl = in.at("rrset_ttl");
  if (ttl < 300 || ttl > 2'592'000 || in.at("rrset_values").empty()) {
    return ErrorResponse(400, "rrset_ttl: out of range");
  }
  if (IsAlias(zone, owner)) return ErrorResponse(400, "A CNAME record already exists");
  std::vector<VendorRecord> kept;
  for (const Json& value : in["rrset_values"]) {
    VendorRecord record;
    const auto known = std::ranges::find_if(zone.records, [&](const VendorRecord& old) {
      return old.owner == owner && old.type == "TXT" && !old.raw.empty() && old.raw == value;
    });
    if (known != zone.records.end()) {
      record = *known;
    } else {
      // Without quotes the host would cut it at blanks.
      const std::string text = value;
      const auto parsed = ParseTxtPresentation(text);
      if (!text.starts_with('"')) return NotUnderstood(request, "a value without quotes");
      if (!parsed.ok()) return ErrorResponse(400, "rrset_values: invalid");
      record.strings = parsed->strings;
    }
    record.id = MakeRecordId();
    record.owner = owner;
    record.ttl = ttl;
    kept.push_back(std::move(record));
  }
  std::erase_if(zone.records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  });
  zone.records.insert(zone.records.end(), kept.begin(), kept.end());
  Changed();
  return JsonResponse(201, {{"message", "DNS Record Created"}});
}

}  // namespace dmarcate::testing_support
