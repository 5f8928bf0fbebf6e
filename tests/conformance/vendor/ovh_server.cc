#include "tests/conformance/vendor/ovh_server.h"

#include <algorithm>

#include <openssl/sha.h>

#include "lib/base/text.h"
#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse OvhServer::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"message", std::string(message)}, {"class", "Client::Error"}});
}

HttpResponse OvhServer::Serve(const VendorRequest& request) {
  if (request.origin != "https://eu.api.ovh.com" || !request.path.starts_with("/1.0/")) {
    return NotUnderstood(request, "no such API");
  }
  if (request.path == "/1.0/auth/time" && request.method == "GET") {
    return JsonResponse(200, absl::ToUnixSeconds(now_()));
  }
  if (request.Header("X-Ovh-Application") != keys_.application) {
    return ErrorResponse(403, "This application key is invalid");
  }
  const std::string stamp = request.Header("X-Ovh-Timestamp");
  const int64_t off = static_cast<int64_t>(NumberIn(stamp)) - absl::ToUnixSeconds(now_());
  if (off < -30 || off > 30) return ErrorResponse(400, "Invalid signature: timestamp");
  std::string url = request.origin + request.path;
  if (request.path.ends_with("/record") && request.method == "GET") {
    url += "?subDomain=" + request.Query("subDomain");  // its names need no escape here
  }
  const std::string text = keys_.secret + "+" + keys_.consumer + "+" + request.method + "+" + url +
                           "+" + request.body + "+" + stamp;
  std::string digest(SHA_DIGEST_LENGTH, '\0');
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(digest.data()));
  if (request.Header("X-Ovh-Consumer") != keys_.consumer ||
      request.Header("X-Ovh-Signature") != "$1$" + ToHex(digest)) {
    return ErrorResponse(400, "Invalid signature");
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  if (request.path == "/1.0/auth/currentCredential" && request.method == "GET") {
    return JsonResponse(200, {{"status", "validated"}, {"rules", rules_}});
  }
  std::vector<std::string> at(request.segments.begin() + 1, request.segments.end());
  if (at.size() < 2 || at[0] != "domain" || at[1] != "zone") {
    return NotUnderstood(request, "no such path");
  }
  at.erase(at.begin(), at.begin() + 2);
  if (at.empty() && request.method == "GET") {
    Json all = Json::array();
    for (const VendorZone& zone : zones_) all.push_back(zone.name.text());
    return JsonResponse(200, all);
  }
  if (at.size() < 2) return NotUnderstood(request, "no such path");
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[0]).value());
  if (zone == nullptr) return ErrorResponse(404, "This service does not exist");
  if (records_forbidden()) return Forbidden();
  if (at.size() == 2 && at[1] == "refresh" && request.method == "POST") {
    published_ = zones_;
    ++refreshes_;
    return JsonResponse(200, nullptr);
  }
  if (at[1] != "record") return NotUnderstood(request, "no such path");
  if (at.size() == 2 && request.method == "GET") {
    if (!HasQuery(request, {"subDomain"})) return ErrorResponse(400, "query");
    Json ids = Json::array();
    for (const VendorRecord& record : zone->records) {
      if (RelativeTo(*zone, record.owner, "") == request.Query("subDomain")) {
        ids.push_back(std::stoll(record.id));
      }
    }
    return JsonResponse(200, ids);
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  return Write(request, *zone, at.size() == 3 ? at[2] : "");
}

HttpResponse OvhServer::Write(const VendorRequest& request, VendorZone& zone,
                              const std::string& id) {
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if (!id.empty() && found == zone.records.end()) {
    return ErrorResponse(404, "The requested object (id = " + id + ") does not exist");
  }
  if (request.method == "GET" && !id.empty()) return JsonResponse(200, Show(zone, *found));
  if (request.method == "DELETE" && !id.empty()) {
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    zone.records.erase(found);
    Changed();
    return JsonResponse(200, nullptr);
  }
  if (request.method != (id.empty() ? "POST" : "PUT")) {
    return NotUnderstood(request, "no such method here");
  }
  const Json in = Json::parse(request.body);
  VendorRecord record = id.empty() ? VendorRecord{} : *found;
  if (const std::string key = id.empty()
                                  ? UnknownMember(in, {"fieldType", "subDomain", "target", "ttl"})
                                  : UnknownMember(in, {"subDomain", "target", "ttl"});
      !key.empty()) {
    return NotUnderstood(request, "unknown member " + key);
  }
  if (id.empty()) {
    if (in.at("fieldType") != "TXT") return NotUnderstood(request, "only TXT is written here");
    record.owner = OwnerIn(zone, in.at("subDomain"), "");
    record.id = MakeRecordId();
  } else if (OwnerIn(zone, in.at("subDomain"), "") != record.owner) {
    return NotUnderstood(request, "an edit of the name");
  }
  const std::string target = in.at("target");
  const std::string native = record.extra.value("fieldType", "");
  const bool quoted = target.size() > 1 && target.starts_with('"') && target.ends_with('"');
  if (target.empty() || (!native.empty() && quoted)) return ErrorResponse(400, "Invalid target");
  if (native == "SPF" && !target.starts_with("v=spf1")) return ErrorResponse(400, "Invalid SPF");
  if (native == "DMARC" && !target.starts_with("v=DMARC1")) {
    return ErrorResponse(400, "Invalid DMARC");
  }
  if (quoted) {
    const auto parsed = ParseTxtPresentation(target);
    if (!parsed.ok()) return ErrorResponse(400, "Invalid target");
    record.strings = parsed->strings;
  } else {
    record.strings = MakeTxtRecord(target).strings;
  }
  record.raw.clear();
  if (in.contains("ttl")) record.ttl = in["ttl"];
  if (record.ttl != 0 && record.ttl < 60) return ErrorResponse(400, "Invalid ttl");
  if (IsAlias(zone, record.owner)) return ErrorResponse(400, "Conflicts with a CNAME record");
  if (id.empty()) {
    zone.records.push_back(record);
  } else {
    *found = record;
  }
  Changed();
  return JsonResponse(200, id.empty() ? Show(zone, record) : Json());
}

std::vector<std::string> OvhServer::Published(const DomainName& owner) const {
  std::vector<std::string> texts;
  for (const VendorZone& zone : published_) {
    for (const VendorRecord& record : zone.records) {
      if (record.owner == owner && record.type == "TXT") texts.push_back(Join(record.strings, ""));
    }
  }
  return texts;
}

Json OvhServer::Show(const VendorZone& zone, const VendorRecord& record) const {
  const std::string native = record.extra.value("fieldType", "");
  std::string target = record.raw;
  if (target.empty()) {
    target = native.empty() ? TxtRecord{record.strings}.ToPresentation() : Join(record.strings, "");
  }
  return {{"id", std::stoll(record.id)},
          {"zone", zone.name.text()},
          {"subDomain", RelativeTo(zone, record.owner, "")},
          {"fieldType", native.empty() ? record.type : native},
          {"target", target},
          {"ttl", record.ttl}};
}

}  // namespace dmarcate::testing_support
