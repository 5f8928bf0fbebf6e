#include "tests/conformance/vendor/azure_server.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"

namespace dmarcate::testing_support {
namespace {

constexpr char kAccess[] = "eyJ0eXAiOiJKV1Qi.0123456789.abcdef";
constexpr size_t kMaxCharacters = 4096;

}  // namespace

VendorServer::Kind AzureServer::KindOf(const VendorRequest& request) const {
  return request.method == "PUT" || request.method == "DELETE" ? Kind::kWrite : Kind::kRead;
}

HttpResponse AzureServer::Error(int status, std::string_view code, std::string_view message) const {
  return JsonResponse(
      status, {{"error", {{"code", std::string(code)}, {"message", std::string(message)}}}});
}

HttpResponse AzureServer::ErrorResponse(int status, std::string_view message) const {
  const std::string_view code = status == 401   ? "InvalidAuthenticationToken"
                                : status == 403 ? "AuthorizationFailed"
                                : status == 404 ? "ParentResourceNotFound"
                                : status == 409 ? "Conflict"
                                : status == 412 ? "PreconditionFailed"
                                : status == 429 ? "TooManyRequests"
                                : status >= 500 ? "InternalServerError"
                                                : "BadRequest";
  return Error(status, code, message);
}

Json AzureServer::Metadata(const DomainName& owner) const {
  const auto found = metadata_.find(owner);
  return found == metadata_.end() ? Json() : found->second;
}

HttpResponse AzureServer::Token(const VendorRequest& request) const {
  if (request.method != "POST" || request.path != "/tenant-1/oauth2/v2.0/token" ||
      request.Header("Content-Type") != "application/x-www-form-urlencoded") {
    return NotUnderstood(request, "another request for a token");
  }
  std::map<std::string, std::string> form;
  for (const std::string_view pair : Split(request.body, '&')) {
    const size_t equals = pair.find('=');
    form[std::string(pair.substr(0, equals))] = PercentDecode(pair.substr(equals + 1));
  }
  if (form["grant_type"] != "client_credentials" || form["client_id"] != "client-1" ||
      form["scope"] != "https://management.azure.com/.default") {
    return NotUnderstood(request, "another grant");
  }
  if (form["client_secret"] != client_secret_) {
    return JsonResponse(401,
                        {{"error", "invalid_client"},
                         {"error_description", "AADSTS7000215: Invalid client secret provided."}});
  }
  return JsonResponse(200,
                      {{"token_type", "Bearer"}, {"expires_in", 3599}, {"access_token", kAccess}});
}

HttpResponse AzureServer::Serve(const VendorRequest& request) {
  if (request.origin == "https://login.microsoftonline.com") return Token(request);
  if (request.origin != "https://management.azure.com") {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != std::string("Bearer ") + kAccess) {
    return ErrorResponse(401, "The access token is invalid.");
  }
  const std::vector<std::string>& at = request.segments;
  if (at.size() < 3 || at[0] != "subscriptions" || at[1] != "sub-1") {
    return NotUnderstood(request, "another subscription");
  }
  if (request.path == "/subscriptions/sub-1/providers/Microsoft.Network/dnszones" &&
      request.method == "GET") {
    return Zones(request);
  }
  if (at.size() < 8 || at[2] != "resourceGroups" || at[3] != "mail" || at[4] != "providers" ||
      at[5] != "Microsoft.Network" || at[6] != "dnsZones") {
    return NotUnderstood(request, "no such path");
  }
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[7]).value());
  if (at.size() == 11 && at[9] == "Microsoft.Authorization" && at[10] == "permissions") {
    if (!HasQuery(request, {"api-version"})) return ErrorResponse(400, "query");
    const Json role = {{"actions", actions_}, {"notActions", Json::array()}};
    return JsonResponse(200, {{"value", Json::array({role})}});
  }
  if (zone == nullptr) {
    return Error(404, "ParentResourceNotFound",
                 "Can not perform requested operation on nested "
                 "resource. Parent resource not found.");
  }
  if (records_forbidden()) return ErrorResponse(403, "The client does not have authorization");
  if (at.size() != 10 || at[8] != "TXT") return NotUnderstood(request, "no such path");
  if (!HasQuery(request, {"api-version"}) || request.Query("api-version") != "2018-05-01") {
    return NotUnderstood(request, "another version");
  }
  const std::string name = at[9] == "@" ? at[7] : at[9] + "." + at[7];
  return Set(request, *zone, DomainName::Parse(name).value());
}

HttpResponse AzureServer::Zones(const VendorRequest& request) const {
  if (!HasQuery(request, {"api-version", "[$skipToken]"})) return ErrorResponse(400, "query");
  const std::string token = request.Query("$skipToken");
  const size_t begin = token.empty() ? 0 : std::stoul(token);
  const size_t size = PageSize(100);
  Json items = Json::array();
  for (size_t i = begin; i < std::min(zones_.size(), begin + size); ++i) {
    const std::string& name = zones_[i].name.text();
    Json properties = {{"zoneType", "Public"}, {"numberOfRecordSets", 2}};
    properties.update(zones_[i].extra);
    items.push_back({{"id",
                      "/subscriptions/sub-1/resourceGroups/mail/providers/"
                      "Microsoft.Network/dnszones/" +
                          name},
                     {"name", name},
                     {"type", "Microsoft.Network/dnszones"},
                     {"properties", properties}});
  }
  Json out = {{"value", items}};
  if (begin + size < zones_.size()) {
    out["nextLink"] = fmt::format("{}{}?api-version=2018-05-01&%24skipToken={}", request.origin,
                                  request.path, begin + size);
  }
  if (!next_link_.empty()) out["nextLink"] = next_link_;
  return JsonResponse(200, out);
}

std::vector<VendorRecord> AzureServer::RecordsOf(const VendorZone& zone,
                                                 const DomainName& owner) const {
  std::vector<VendorRecord> records;
  for (const VendorRecord& record : zone.records) {
    if (record.owner == owner && record.type == "TXT") records.push_back(record);
  }
  return records;
}

std::string AzureServer::EtagOf(const VendorZone& zone, const DomainName& owner) const {
  std::string all;
  for (const VendorRecord& record : RecordsOf(zone, owner)) {
    all += record.id + "," + std::to_string(record.ttl) + "," + Join(record.strings, "|") + ";";
  }
  return all.empty() ? "" : Sha256Hex(all).substr(0, 36);
}

HttpResponse AzureServer::Show(int status, const VendorZone& zone, const DomainName& owner) const {
  Json values = Json::array();
  uint32_t ttl = 0;
  for (const VendorRecord& record : RecordsOf(zone, owner)) {
    values.push_back(
        {{"value", record.raw.empty() ? Json(record.strings) : Json::parse(record.raw)}});
    ttl = record.ttl;
  }
  Json properties = {{"TTL", ttl},
                     {"fqdn", owner.ToFqdn()},
                     {"TXTRecords", values},
                     {"targetResource", Json::object()},
                     {"provisioningState", "Succeeded"}};
  if (!Metadata(owner).is_null()) properties["metadata"] = Metadata(owner);
  return JsonResponse(status, {{"id", "/subscriptions/sub-1/..."},
                               {"name", "x"},
                               {"type", "Microsoft.Network/dnszones/TXT"},
                               {"etag", EtagOf(zone, owner)},
                               {"properties", properties}});
}

HttpResponse AzureServer::Set(const VendorRequest& request, VendorZone& zone,
                              const DomainName& owner) {
  const std::string etag = EtagOf(zone, owner);
  if (request.method == "GET") {
    if (etag.empty()) {
      return Error(
          404, "NotFound",
          "The resource record 'x' does not exist in resource group 'group' of subscription "
          "'sub-1'.");
    }
    return Show(200, zone, owner);
  }
  // An edit without a condition would overwrite blindly.
  const std::string match = request.Header("If-Match"), none = request.Header("If-None-Match");
  if (match.empty() == none.empty()) return NotUnderstood(request, "one condition is wanted");
  if ((none == "*" && !etag.empty()) || (!match.empty() && match != etag)) {
    return Error(412, "PreconditionFailed",
                 "The condition '" + match + none + "' in the header was not satisfied.");
  }
  if (request.method == "PUT") return Put(request, zone, owner);
  if (request.method != "DELETE" || !request.body.empty()) {
    return NotUnderstood(request, "no such method here");
  }
  std::erase_if(zone.records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  });
  metadata_.erase(owner);
  Changed();
  return JsonResponse(200, nullptr);
}

HttpResponse AzureServer::Put(const VendorRequest& request, VendorZone& zone,
                              const DomainName& owner) {
  if (request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  const Json properties = Json::parse(request.body).at("properties");
  if (IsAlias(zone, owner)) {
    return Error(400, "BadRequest",
                 "The record could not be created because a CNAME record with "
                 "the same name already exists in this zone.");
  }
  const uint32_t ttl = properties.at("TTL");
  if (ttl < 1 || ttl > 2147483647) return Error(400, "BadRequest", "The TTL is out of range");
  std::vector<VendorRecord> records;
  size_t characters = 0;
  for (const Json& txt : properties.at("TXTRecords")) {
    VendorRecord record{.id = MakeRecordId(), .owner = owner, .ttl = ttl};
    bool strings = true;
    for (const Json& string : txt.at("value")) {
      strings = strings && string.is_string() && string.get<std::string>().size() <= 255;
      if (!strings) break;
      record.strings.push_back(string);
      characters += record.strings.back().size();
    }
    if (!strings) {
      record.strings.clear();
      record.raw = txt["value"].dump();  // what was there before goes on
    } else if (Join(record.strings, "").empty()) {
      return Error(400, "BadRequest", "A TXT record may not be empty");
    }
    records.push_back(record);
  }
  if (records.empty() || records.size() > 20 || characters > kMaxCharacters) {
    return Error(400, "BadRequest", "Too many records or characters");
  }
  const bool created = EtagOf(zone, owner).empty();
  std::erase_if(zone.records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  });
  zone.records.insert(zone.records.end(), records.begin(), records.end());
  metadata_.erase(owner);  // it is replaced as well
  if (properties.contains("metadata")) metadata_[owner] = properties["metadata"];
  Changed();
  return Show(created ? 201 : 200, zone, owner);
}

}  // namespace dmarcate::testing_support
