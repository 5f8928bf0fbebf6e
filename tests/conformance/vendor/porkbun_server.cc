#include "tests/conformance/vendor/porkbun_server.h"

#include <algorithm>

#include "lib/base/text.h"
#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse PorkbunServer::ErrorResponse(int status, std::string_view message) const {
  return JsonResponse(status, {{"status", "ERROR"}, {"message", std::string(message)}});
}

HttpResponse PorkbunServer::Success(Json body) const {
  body["status"] = "SUCCESS";
  return JsonResponse(200, body);
}

VendorServer::Kind PorkbunServer::KindOf(const VendorRequest& request) const {
  for (const char* const command : {"/dns/create/", "/dns/edit/", "/dns/delete/"}) {
    if (request.path.find(command) != std::string::npos) return Kind::kWrite;
  }
  return Kind::kRead;
}

HttpResponse PorkbunServer::Serve(const VendorRequest& request) {
  if (request.origin != "https://api.porkbun.com" || request.method != "POST" ||
      !request.path.starts_with("/api/json/v3/") || request.segments.size() < 5) {
    return NotUnderstood(request, "no such API");
  }
  if (now_) {
    if (now_() - last_ < absl::Seconds(1)) return NotUnderstood(request, "too soon");
    last_ = now_();
  }
  if (!HasQuery(request, {})) return ErrorResponse(400, "query");
  if (request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  Json in = Json::parse(request.body);
  if (in.at("apikey") != key_ || in.at("secretapikey") != secret_key_) {
    return ErrorResponse(403, "Invalid API key. (002)");
  }
  in.erase("apikey");
  in.erase("secretapikey");
  const std::vector<std::string> at(request.segments.begin() + 3, request.segments.end());
  if (at == std::vector<std::string>{"domain", "listAll"}) {
    if (in.size() != 1) return NotUnderstood(request, "start alone is wanted");
    const size_t start = NumberIn(in.at("start"));
    Json domains = Json::array();
    for (size_t i = start; i < std::min(zones_.size(), start + PageSize(1000)); ++i) {
      domains.push_back({{"domain", zones_[i].name.text()}, {"status", "ACTIVE"}});
    }
    return Success({{"domains", domains}});
  }
  if (at[0] != "dns" || at.size() < 3) return NotUnderstood(request, "no such path");
  VendorZone* const zone = ZoneNamed(DomainName::Parse(at[2]).value());
  if (zone == nullptr) return ErrorResponse(400, "Invalid domain.");
  if (zone->extra.value("no_api", false)) {
    return ErrorResponse(400, "Domain is not opted in to API access.");
  }
  if (records_forbidden()) return ErrorResponse(403, "Not allowed.");
  if (at[1] == "retrieveByNameType" && at.size() >= 4 && at[3] == "TXT" && at.size() <= 5) {
    if (!in.empty()) return NotUnderstood(request, "nothing else is wanted");
    const DomainName owner = OwnerIn(*zone, at.size() == 5 ? at[4] : "", "");
    Json records = Json::array();
    for (const VendorRecord& record : zone->records) {
      if (record.owner != owner || record.type != "TXT") continue;
      records.push_back({{"id", record.id},
                         {"name", owner.text()},
                         {"type", "TXT"},
                         {"content", record.raw.empty() ? Join(record.strings, "") : record.raw},
                         {"ttl", std::to_string(record.ttl)},
                         {"prio", "0"},
                         {"notes", ""}});
    }
    return Success({{"records", records}});
  }
  return Write(request, *zone, at[1], at.size() == 4 ? at[3] : "", in);
}

HttpResponse PorkbunServer::Write(const VendorRequest& request, VendorZone& zone,
                                  const std::string& command, const std::string& id,
                                  const Json& in) {
  const auto found = std::ranges::find(zone.records, id, &VendorRecord::id);
  if ((command == "create") != id.empty()) return NotUnderstood(request, "no such path");
  if (!id.empty() && found == zone.records.end()) return ErrorResponse(400, "Invalid record ID.");
  if (command == "delete") {
    if (!in.empty()) return NotUnderstood(request, "nothing else is wanted");
    zone.records.erase(found);
    Changed();
    return Success();
  }
  // editByNameType and deleteByNameType act on every TXT record of a name.
  if (command != "create" && command != "edit") return NotUnderstood(request, "no such call");
  if (const std::string key = UnknownMember(in, {"name", "type", "content", "ttl"}); !key.empty()) {
    return NotUnderstood(request, "unknown member " + key);
  }
  if (in.at("type") != "TXT") return NotUnderstood(request, "only TXT is written here");
  VendorRecord record = id.empty() ? VendorRecord{} : *found;
  const DomainName owner = OwnerIn(zone, in.at("name"), "");
  if (!id.empty() && owner != record.owner) return NotUnderstood(request, "an edit of the name");
  record.owner = owner;
  const std::string content(TrimAscii(in.at("content").get<std::string>()));
  if (content.empty()) return ErrorResponse(400, "Invalid content.");
  record.strings = MakeTxtRecord(content).strings;
  record.raw.clear();
  record.ttl = static_cast<uint32_t>(NumberIn(in.at("ttl")));
  if (record.ttl < 600) return ErrorResponse(400, "Invalid TTL.");
  if (IsAlias(zone, owner)) return ErrorResponse(400, "A CNAME record exists at this name.");
  if (id.empty()) {
    record.id = MakeRecordId();
    zone.records.push_back(record);
  } else {
    *found = record;
  }
  Changed();
  return id.empty() ? Success({{"id", record.id}}) : Success();
}

}  // namespace dmarcate::testing_support
