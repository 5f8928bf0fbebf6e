#include "tests/conformance/vendor/digitalocean_server.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "tests/conformance/vendor/schema.h"

namespace dmarcate::testing_support {

HttpResponse DigitalOceanServer::ErrorResponse(int status, std::string_view message) const {
  const char* const id = status == 401   ? "unauthorized"
                         : status == 403 ? "forbidden"
                         : status == 404 ? "not_found"
                         : status == 429 ? "too_many_requests"
                         : status >= 500 ? "server_error"
                                         : "unprocessable_entity";
  return JsonResponse(status, {{"id", id}, {"message", std::string(message)}});
}

HttpResponse DigitalOceanServer::Serve(const VendorRequest& request) {
  if (request.origin != "https://api.digitalocean.com" || request.segments.size() < 2 ||
      request.segments[0] != "v2" || request.segments[1] != "domains") {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Bearer " + token_) {
    return ErrorResponse(401, "Unable to authenticate you");
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  const std::vector<std::string> at(request.segments.begin() + 2, request.segments.end());
  if (at.empty() && request.method == "GET") {
    if (!HasQuery(request, {"page", "per_page"})) return ErrorResponse(422, "query");
    Json all = Json::array();
    for (const VendorZone& zone : zones_) {
      all.push_back({{"name", zone.name.text()}, {"ttl", 1800}, {"zone_file", "..."}});
    }
    return Page(request, "domains", all);
  }
  if (at.empty()) return NotUnderstood(request, "no such method here");
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[0]).value());
  if (zone == nullptr) {
    return ErrorResponse(404, "The resource you were accessing could not be found.");
  }
  if (at.size() == 1 && request.method == "GET") {
    if (!HasQuery(request, {})) return ErrorResponse(422, "query");
    return JsonResponse(
        200, {{"domain", {{"name", at[0]}, {"ttl", 1800}, {"zone_file", "$ORIGIN ..."}}}});
  }
  if (at.size() < 2 || at[1] != "records") return NotUnderstood(request, "no such path");
  if (records_forbidden()) return ErrorResponse(403, "You are not authorized");
  if (at.size() == 2 && request.method == "GET") return Records(request, *zone);
  if (!HasQuery(request, {})) return ErrorResponse(422, "query");
  if (at.size() == 2 && request.method == "POST") return Create(request, *zone);
  if (at.size() == 3) return Change(request, *zone, at[2]);
  return NotUnderstood(request, "no such method here");
}

HttpResponse DigitalOceanServer::Page(const VendorRequest& request, const char* member,
                                      const Json& all) const {
  const size_t page = std::stoul(request.Query("page"));
  const size_t wanted = std::stoul(request.Query("per_page"));
  if (page < 1 || wanted < 1 || wanted > 200) return NotUnderstood(request, "page out of range");
  const size_t size = PageSize(wanted);
  Json items = Json::array();
  for (size_t i = (page - 1) * size; i < std::min(all.size(), page * size); ++i) {
    items.push_back(all[i]);
  }
  Json links = Json::object();
  if (page * size < all.size()) {
    links["pages"] = {{"next", fmt::format("{}{}?page={}", request.origin, request.path, page + 1)},
                      {"last", fmt::format("{}{}?page=99", request.origin, request.path)}};
  }
  return JsonResponse(200, {{member, items}, {"links", links}, {"meta", {{"total", all.size()}}}});
}

Json DigitalOceanServer::Show(const VendorZone& zone, const VendorRecord& record) const {
  std::string name = "@";
  if (record.owner != zone.name) {
    name = record.owner.text().substr(0, record.owner.text().size() - zone.name.text().size() - 1);
  }
  Json out = {{"id", std::stoll(record.id)},
              {"type", record.type},
              {"name", name},
              {"data", record.raw.empty() ? Join(record.strings, "") : record.raw},
              {"priority", nullptr},
              {"port", nullptr},
              {"ttl", record.ttl},
              {"weight", nullptr},
              {"flags", nullptr},
              {"tag", nullptr}};
  ExpectModel("digitalocean/domains/models/domain_record.yml", "", out);
  return out;
}

HttpResponse DigitalOceanServer::Records(const VendorRequest& request,
                                         const VendorZone& zone) const {
  if (!HasQuery(request, {"page", "per_page", "type", "name"})) return ErrorResponse(422, "query");
  Json all = Json::array();
  for (const VendorRecord& record : zone.records) {
    // The filter takes the whole name.
    if (record.type == request.Query("type") && record.owner.text() == request.Query("name")) {
      all.push_back(Show(zone, record));
    }
  }
  return Page(request, "domain_records", all);
}

std::optional<HttpResponse> DigitalOceanServer::Keep(const VendorZone& zone,
                                                     const std::string& data,
                                                     VendorRecord& record) const {
  // Observed: the quoted encoding counts; no backslash, none empty.
  if (data.empty()) return ErrorResponse(422, "Data needs a value");
  if (data.find('\\') != std::string::npos) return ErrorResponse(422, "Data is invalid");
  const TxtRecord kept = MakeTxtRecord(data);
  if (kept.ToPresentation().size() > kMaxQuoted + 3) {
    return ErrorResponse(422, "Data is too long (maximum is 512 characters)");
  }
  if (record.ttl < 30) return ErrorResponse(422, "TTL must be at least 30 seconds");
  if (IsAlias(zone, record.owner)) {
    return ErrorResponse(422, "CNAME records cannot share a name with other records");
  }
  record.strings = kept.strings;
  record.raw.clear();
  return std::nullopt;
}

HttpResponse DigitalOceanServer::Create(const VendorRequest& request, VendorZone& zone) {
  const Json in = Json::parse(request.body);
  ExpectModel("digitalocean/domains/models/domain_record_types.yml", "domain_record_txt", in);
  if (in.at("type") != "TXT") return NotUnderstood(request, "only TXT is written here");
  VendorRecord record;
  const std::string name = in.at("name");
  record.owner =
      DomainName::Parse(name == "@" ? zone.name.text() : name + "." + zone.name.text()).value();
  record.ttl = in.at("ttl");
  if (auto refused = Keep(zone, in.at("data"), record)) return *refused;
  record.id = MakeRecordId();
  zone.records.push_back(record);
  Changed();
  return JsonResponse(201, {{"domain_record", Show(zone, record)}});
}

HttpResponse DigitalOceanServer::Change(const VendorRequest& request, VendorZone& zone,
                                        const std::string& id) {
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if (found == zone.records.end()) return ErrorResponse(404, "record not found");
  if (request.method == "DELETE") {
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    zone.records.erase(found);
    Changed();
    return JsonResponse(204, nullptr);
  }
  if (request.method != "PATCH") return NotUnderstood(request, "no such method here");
  const Json in = Json::parse(request.body);
  ExpectModel("digitalocean/domains/models/domain_record.yml", "", in);
  VendorRecord record = *found;
  for (const auto& [key, value] : in.items()) {
    if (key == "ttl") {
      record.ttl = value;
    } else if (key != "type" && key != "data") {
      return NotUnderstood(request, "an edit of " + key);
    }
  }
  if (in.at("type") != "TXT") return NotUnderstood(request, "the type does not change");
  if (in.contains("data")) {
    if (auto refused = Keep(zone, in["data"], record)) return *refused;
  }
  *found = record;
  Changed();
  return JsonResponse(200, {{"domain_record", Show(zone, record)}});
}

}  // namespace dmarcate::testing_support
