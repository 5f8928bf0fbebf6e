#include "tests/conformance/vendor/ns1_server.h"

#include <algorithm>

#include "lib/base/text.h"
#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse Ns1Server::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"message", std::string(message)}});
}

HttpResponse Ns1Server::Serve(const VendorRequest& request) {
  const bool keys = request.path == "/v1/account/apikeys" && request.method == "GET";
  if (request.origin != "https://api.nsone.net" ||
      (!keys && !request.path.starts_with("/v1/zones"))) {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("X-NSONE-Key") != key_) return ErrorResponse(401, "Unauthorized");
  if (keys) {
    if (!HasQuery(request, {})) return ErrorResponse(400, "query");
    if (!manages_keys_) return ErrorResponse(403, "permission denied");
    return JsonResponse(200, Json::array({{{"id", "520422af9f782d37dffb588b"}, {"name", "ours"}}}));
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  const std::vector<std::string> at(request.segments.begin() + 2, request.segments.end());
  if (at.empty() && request.method == "GET") return Zones(request);
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  if (at.size() != 3 || at[2] != "TXT") return NotUnderstood(request, "no such path");
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[0]).value());
  if (zone == nullptr) return ErrorResponse(404, "zone not found");
  if (records_forbidden()) return ErrorResponse(403, "permission denied");
  if (at[1].ends_with('.')) return NotUnderstood(request, "a dot at the end");
  const DomainName owner = DomainName::Parse(at[1]).value();
  const Json set = Show(*zone, owner);
  const bool there = !set["answers"].empty();
  if (request.method == "PUT") {
    if (there) return ErrorResponse(400, "record already exists");
    return Keep(request, *zone, owner);
  }
  if (!there) return ErrorResponse(404, "record not found");
  if (request.method == "GET") return JsonResponse(200, set);
  if (request.method == "POST") return Keep(request, *zone, owner);
  if (request.method != "DELETE") return NotUnderstood(request, "no such method here");
  if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
  std::erase_if(zone->records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  });
  Changed();
  return JsonResponse(200, Json::object());
}

HttpResponse Ns1Server::Zones(const VendorRequest& request) const {
  if (!HasQuery(request, {"[after]", "[limit]"})) return ErrorResponse(400, "query");
  Json all = Json::array();
  bool begun = !request.query.contains("after");
  for (const VendorZone& zone : zones_) {
    Json shown = {{"id", "zone-" + zone.name.text()},
                  {"zone", zone.name.text()},
                  {"ttl", 3600},
                  {"dns_servers", {"dns1.p01.nsone.net"}},
                  {"link", nullptr},
                  {"primary", {{"enabled", false}, {"secondaries", Json::array()}}}};
    shown.update(zone.extra);
    if (begun) all.push_back(shown);
    begun = begun || zone.name.text() == request.Query("after");
  }
  const size_t size = PageSize(2500);
  const Json page = PageOf(all, 1, size);
  HttpResponse response = JsonResponse(200, page);
  if (size < all.size()) {
    response.headers.push_back(
        {"Link", "</v1/zones?after=" + page.back()["zone"].get<std::string>() +
                     "&limit=" + std::to_string(size) + ">; rel=\"next\""});
  }
  return response;
}

HttpResponse Ns1Server::Keep(const VendorRequest& request, VendorZone& zone,
                             const DomainName& owner) {
  const Json in = Json::parse(request.body);
  if (const std::string key = UnknownMember(in, {"zone", "domain", "type", "ttl", "answers"});
      !key.empty()) {
    return NotUnderstood(request, "unknown member " + key);
  }
  if (in.at("zone") != zone.name.text() || in.at("domain") != owner.text() ||
      in.at("type") != "TXT") {
    return NotUnderstood(request, "the body is for another set");
  }
  if (in.at("answers").empty()) return ErrorResponse(400, "answers must not be empty");
  if (IsAlias(zone, owner)) return ErrorResponse(400, "conflicts with an existing CNAME record");
  std::vector<VendorRecord> kept;
  for (const Json& answer : in["answers"]) {
    if (answer.at("answer").size() != 1) return ErrorResponse(400, "one string is wanted");
    const std::string text = answer["answer"][0];
    if (text.empty()) return ErrorResponse(400, "TXT answers must not be empty");
    VendorRecord record;
    const auto known = std::ranges::find_if(zone.records, [&](const VendorRecord& old) {
      return old.owner == owner && old.type == "TXT" && answer.contains("id") &&
             answer["id"] == old.id;
    });
    if (answer.contains("id") && known == zone.records.end()) {
      return NotUnderstood(request, "an id that was not shown");
    }
    if (known != zone.records.end()) record = *known;
    if (known == zone.records.end()) record.id = MakeRecordId();
    if (Join(record.strings, "") != text) record.strings = MakeTxtRecord(text).strings;
    record.owner = owner;
    record.ttl = in.at("ttl");
    kept.push_back(std::move(record));
  }
  std::erase_if(zone.records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  });
  zone.records.insert(zone.records.end(), kept.begin(), kept.end());
  Changed();
  return JsonResponse(200, Show(zone, owner));
}

Json Ns1Server::Show(const VendorZone& zone, const DomainName& owner) const {
  Json set = {{"id", "520519509f782d58bb4df41b"},
              {"zone", zone.name.text()},
              {"domain", owner.text()},
              {"type", "TXT"},
              {"ttl", 3600},
              {"answers", Json::array()},
              {"filters", Json::array()},
              {"regions", Json::object()},
              {"meta", Json::object()},
              {"link", nullptr},
              {"tier", 1},
              {"use_client_subnet", true}};
  for (const VendorRecord& record : zone.records) {
    if (record.owner != owner || record.type != "TXT") continue;
    set["ttl"] = record.ttl;
    if (record.extra.contains("set")) set.update(record.extra["set"]);
    Json answer = {{"id", record.id}, {"answer", {Join(record.strings, "")}}};
    if (record.extra.contains("answer")) answer.update(record.extra["answer"]);
    set["answers"].push_back(answer);
  }
  return set;
}

}  // namespace dmarcate::testing_support
