#include "tests/conformance/vendor/desec_server.h"

#include <algorithm>

#include "fmt/format.h"

#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse DesecServer::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"detail", std::string(message)}});
}

HttpResponse DesecServer::ServeAccount(const VendorRequest& request) const {
  const bool tokens = request.path == "/api/v1/auth/tokens/";
  if (request.method != "GET" || (!tokens && request.path != "/api/v1/auth/account/")) {
    return NotUnderstood(request, "no such path");
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  if (tokens ? !manages_tokens_ : restricted_) {
    return ErrorResponse(403, "You do not have permission to perform this action.");
  }
  if (tokens) return JsonResponse(200, Json::array({{{"id", "3a6b94b5"}, {"name", "ours"}}}));
  return JsonResponse(200, {{"email", "dns@example.test"}, {"limit_domains", 15}});
}

HttpResponse DesecServer::Serve(const VendorRequest& request) {
  // Every path ends in a slash.
  const bool account = request.path.starts_with("/api/v1/auth/");
  if (request.origin != origin_ || (!account && !request.path.starts_with("/api/v1/domains/")) ||
      !request.path.ends_with('/')) {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Token " + token_) {
    return ErrorResponse(401, "Invalid token.");
  }
  if (account) return ServeAccount(request);
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  const std::vector<std::string> at(request.segments.begin() + 3, request.segments.end() - 1);
  const std::string& method = request.method;
  if (at.empty() && method == "GET") {
    if (!HasQuery(request, {"cursor"})) return ErrorResponse(400, "query");
    Json all = Json::array();
    for (const VendorZone& zone : zones_) all.push_back(ShowDomain(zone));
    return Page(request, all);
  }
  if (at.empty()) return NotUnderstood(request, "no such method here");
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[0]).value());
  if (zone == nullptr) return ErrorResponse(404, "Not found.");
  if (at.size() == 1 && method == "GET") return JsonResponse(200, ShowDomain(*zone));
  if (at.size() < 2 || at[1] != "rrsets") return NotUnderstood(request, "no such path");
  if (records_forbidden()) return ErrorResponse(403, "Insufficient token permissions.");
  if (at.size() == 2 && method == "GET") {
    if (!HasQuery(request, {"cursor", "subname", "type"})) return ErrorResponse(400, "query");
    Json all = Json::array();
    const Json set =
        ShowSet(*zone, OwnerIn(*zone, request.Query("subname"), ""), request.Query("type"));
    if (!set["records"].empty()) all.push_back(set);
    return Page(request, all);
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  if (at.size() == 2 && method == "POST") {
    const Json in = Json::parse(request.body);
    if (const std::string key = UnknownMember(in, {"subname", "type", "ttl", "records"});
        !key.empty()) {
      return NotUnderstood(request, "unknown member " + key);
    }
    if (in.at("type") != "TXT") return NotUnderstood(request, "only TXT is written here");
    const DomainName owner = OwnerIn(*zone, in.at("subname"), "");
    if (!ShowSet(*zone, owner, "TXT")["records"].empty()) {
      return JsonResponse(400, {{"non_field_errors",
                                 {"Another RRset with the same subdomain and type exists for this "
                                  "domain."}}});
    }
    if (auto refused = Keep(*zone, owner, in.at("records"), in.at("ttl"))) return *refused;
    return JsonResponse(201, ShowSet(*zone, owner, "TXT"));
  }
  if (at.size() != 4 || at[3] != "TXT") return NotUnderstood(request, "no such path");
  const DomainName owner = OwnerIn(*zone, at[2], "@");
  const Json set = ShowSet(*zone, owner, "TXT");
  if (method == "DELETE") {  // 204 whether it is there or not
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    if (!set["records"].empty()) Changed();
    std::erase_if(zone->records, [&](const VendorRecord& record) {
      return record.owner == owner && record.type == "TXT";
    });
    return JsonResponse(204, nullptr);
  }
  if (method != "PATCH") return NotUnderstood(request, "no such method here");
  if (set["records"].empty()) return ErrorResponse(404, "Not found.");
  const Json in = Json::parse(request.body);
  if (const std::string key = UnknownMember(in, {"ttl", "records"}); !key.empty()) {
    return NotUnderstood(request, "unknown member " + key);
  }
  if (auto refused = Keep(*zone, owner, in.at("records"), in.value("ttl", set["ttl"]))) {
    return *refused;
  }
  return JsonResponse(200, ShowSet(*zone, owner, "TXT"));
}

std::optional<HttpResponse> DesecServer::Keep(VendorZone& zone, const DomainName& owner,
                                              const Json& records, uint32_t ttl) {
  const Json kept_ttl = ShowSet(zone, owner, "TXT")["ttl"];  // from before there was a minimum
  if ((ttl < kMinimumTtl && ttl != kept_ttl) || ttl > 86'400) {
    return JsonResponse(400, {{"ttl", {"Ensure this value is greater than or equal to 3600."}}});
  }
  if (IsAlias(zone, owner)) {
    return JsonResponse(
        400, {{"non_field_errors", {"RRset with conflicting type present: database (CNAME)."}}});
  }
  if (records.empty()) return ErrorResponse(400, "records: empty");
  std::vector<VendorRecord> kept;
  for (const Json& in : records) {
    VendorRecord record;
    const auto known = std::ranges::find_if(zone.records, [&](const VendorRecord& old) {
      return old.owner == owner && old.type == "TXT" && !old.raw.empty() && old.raw == in;
    });
    if (known != zone.records.end()) {
      record = *known;
    } else {
      const auto parsed = ParseTxtPresentation(in.get<std::string>());
      if (!parsed.ok()) return JsonResponse(400, {{"records", {"Cannot parse record contents."}}});
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
  return std::nullopt;
}

HttpResponse DesecServer::Page(const VendorRequest& request, const Json& all) const {
  const std::string cursor = request.Query("cursor");
  const size_t size = PageSize(500);
  const size_t page = cursor.empty() ? 1 : NumberIn(cursor.substr(1));
  if (page < 1 || (!cursor.empty() && cursor[0] != ':'))
    return ErrorResponse(404, "Invalid cursor.");
  HttpResponse response = JsonResponse(200, PageOf(all, page, size));
  if (page * size < all.size()) {
    response.headers.push_back(
        {"Link",
         fmt::format("<{0}{1}?cursor=>; rel=\"first\", <{0}{1}?cursor=%3A{2}>; rel=\"next\"",
                     origin_, request.path, page + 1)});
  }
  return response;
}

Json DesecServer::ShowDomain(const VendorZone& zone) const {
  return {{"created", "2022-11-12T18:01:35.454616Z"},
          {"published", "2022-11-12T18:03:19.516440Z"},
          {"touched", "2022-11-12T18:03:19.516440Z"},
          {"name", zone.name.text()},
          {"minimum_ttl", kMinimumTtl}};
}

Json DesecServer::ShowSet(const VendorZone& zone, const DomainName& owner,
                          const std::string& type) const {
  Json set = {{"created", "2020-05-06T11:46:07.641885Z"},
              {"domain", zone.name.text()},
              {"subname", RelativeTo(zone, owner, "")},
              {"name", owner.text() + "."},
              {"records", Json::array()},
              {"ttl", kMinimumTtl},
              {"type", type},
              {"touched", "2020-05-06T11:46:07.641885Z"}};
  for (const VendorRecord& record : zone.records) {
    if (record.owner != owner || record.type != type) continue;
    set["ttl"] = record.ttl;
    set["records"].push_back(record.raw.empty() ? TxtRecord{record.strings}.ToPresentation()
                                                : record.raw);
  }
  return set;
}

}  // namespace dmarcate::testing_support
