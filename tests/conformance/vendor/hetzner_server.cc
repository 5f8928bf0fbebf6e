#include "tests/conformance/vendor/hetzner_server.h"

#include <algorithm>

#include "tests/conformance/vendor/names.h"

namespace dmarcate::testing_support {

HttpResponse HetznerServer::Error(int status, const char* code, std::string_view message) const {
  return JsonResponse(
      status, {{"error", {{"code", code}, {"message", std::string(message)}, {"details", {}}}}});
}

HttpResponse HetznerServer::ErrorResponse(int status, std::string_view message) const {
  return Error(status,
               status == 401   ? "unauthorized"
               : status == 403 ? "forbidden"
               : status == 404 ? "not_found"
               : status == 409 ? "uniqueness_error"
               : status == 429 ? "rate_limit_exceeded"
               : status == 503 ? "unavailable"
               : status >= 500 ? "server_error"
                               : "invalid_input",
               message);
}

HttpResponse HetznerServer::Serve(const VendorRequest& request) {
  if (request.origin != "https://api.hetzner.cloud" || request.segments.size() < 2 ||
      request.segments[0] != "v1") {
    return NotUnderstood(request, "no such API");
  }
  if (request.Header("Authorization") != "Bearer " + token_) {
    return Error(401, "unauthorized", "unable to authenticate");
  }
  if (!request.body.empty() && request.Header("Content-Type") != "application/json") {
    return NotUnderstood(request, "the body is not declared as JSON");
  }
  if (readonly_ && request.method != "GET") {
    return Error(403, "token_readonly", "the token is only allowed to perform GET requests");
  }
  const std::vector<std::string> at(request.segments.begin() + 1, request.segments.end());
  if (at[0] == "servers" && at.size() == 1 && request.method == "GET") {
    if (!HasQuery(request, {"page", "per_page"})) return ErrorResponse(422, "query");
    Json servers = Json::array();
    if (has_server_) servers.push_back({{"id", 42}, {"name", "web"}});
    return Page(request, "servers", servers);
  }
  if (at[0] == "actions" && at.size() == 2 && request.method == "GET") {
    const auto found = actions_.find(at[1]);
    if (found == actions_.end()) return Error(404, "not_found", "action not found");
    ++polled_;
    if (found->second.polls > 0) --found->second.polls;
    return JsonResponse(200, {{"action", ShowAction(at[1])}});
  }
  if (at[0] != "zones") return NotUnderstood(request, "no such path");
  if (at.size() == 1) {
    if (request.method != "GET") return NotUnderstood(request, "no such method here");
    if (!HasQuery(request, {"page", "per_page", "[name]"})) return ErrorResponse(422, "query");
    Json all = Json::array();
    for (const VendorZone& zone : zones_) {
      if (request.query.contains("name") && request.Query("name") != zone.name.text()) continue;
      all.push_back(ShowZone(zone));
    }
    return Page(request, "zones", all);
  }
  for (VendorZone& zone : zones_) {
    if (at[1] == zone.id || at[1] == zone.name.text()) return ServeZone(request, zone, at);
  }
  return Error(404, "not_found", "zone not found");
}

HttpResponse HetznerServer::ServeZone(const VendorRequest& request, VendorZone& zone,
                                      const std::vector<std::string>& at) {
  if (at.size() == 2 && request.method == "GET") {
    return JsonResponse(200, {{"zone", ShowZone(zone)}});
  }
  if (at.size() < 3 || at[2] != "rrsets") return NotUnderstood(request, "no such path");
  if (records_forbidden()) return Error(403, "forbidden", "insufficient permissions");
  if (at.size() == 3 && request.method == "GET") {
    if (!HasQuery(request, {"page", "per_page", "name", "type"})) {
      return ErrorResponse(422, "query");
    }
    Json all = Json::array();
    const Json set =
        ShowSet(zone, OwnerIn(zone, request.Query("name"), "@"), request.Query("type"));
    if (!set["records"].empty()) all.push_back(set);
    return Page(request, "rrsets", all);
  }
  if (!request.query.empty()) return NotUnderstood(request, "a write has no query");
  if (zone.extra.value("mode", "primary") == "secondary") {
    return Error(422, "incorrect_zone_mode", "not supported in secondary mode");
  }
  if (at.size() == 3 && request.method == "POST") return Create(request, zone);
  if (at.size() < 5 || at[4] != "TXT") return NotUnderstood(request, "no such path");
  const DomainName owner = OwnerIn(zone, at[3], "@");
  const Json set = ShowSet(zone, owner, "TXT");
  if (set["records"].empty()) return Error(404, "not_found", "rrset not found");
  if (set["protection"]["change"]) return Error(403, "protected", "rrset is protected");
  if (at.size() == 5 && request.method == "DELETE") {
    if (!request.body.empty()) return NotUnderstood(request, "a deletion has no body");
    if (failing_ == 0) {
      std::erase_if(zone.records, [&](const VendorRecord& record) {
        return record.owner == owner && record.type == "TXT";
      });
    }
    return Started(201, "delete_rrset");
  }
  if (at.size() == 7 && at[5] == "actions" && request.method == "POST") {
    return Change(request, zone, owner, at[6]);
  }
  return NotUnderstood(request, "no such method here");
}

HttpResponse HetznerServer::Create(const VendorRequest& request, VendorZone& zone) {
  const Json in = Json::parse(request.body);
  if (const std::string key = UnknownMember(in, {"name", "type", "ttl", "records"}); !key.empty()) {
    return NotUnderstood(request, "unknown member " + key);
  }
  if (in.at("type") != "TXT") return NotUnderstood(request, "only TXT is written here");
  const DomainName owner = OwnerIn(zone, in.at("name"), "@");
  if (!ShowSet(zone, owner, "TXT")["records"].empty()) {
    return Error(409, "uniqueness_error", "rrset with same name and type already exists");
  }
  if (failing_ == 0) {
    if (auto refused = Keep(zone, owner, in.at("records"), in.value("ttl", Json()))) {
      return *refused;
    }
  }
  return Started(201, "create_rrset", {{"rrset", ShowSet(zone, owner, "TXT")}});
}

HttpResponse HetznerServer::Change(const VendorRequest& request, VendorZone& zone,
                                   const DomainName& owner, const std::string& command) {
  const Json in = Json::parse(request.body);
  if (in.size() != 1) return NotUnderstood(request, "one member is wanted");
  Json ttl = ShowSet(zone, owner, "TXT")["ttl"];
  if (command == "set_records") {
    if (in.at("records").empty()) return Error(422, "invalid_input", "records: too few");
    if (failing_ == 0) {
      if (auto refused = Keep(zone, owner, in["records"], ttl)) return *refused;
    }
    return Started(201, command);
  }
  if (command != "change_ttl") return NotUnderstood(request, "no such action");
  ttl = in.at("ttl");
  if (ttl < 60) return Error(422, "invalid_input", "ttl: too small");
  for (VendorRecord& record : zone.records) {
    if (failing_ > 0 || record.owner != owner || record.type != "TXT") continue;
    record.ttl = ttl;
    record.extra.erase("default_ttl");
  }
  return Started(201, command);
}

std::optional<HttpResponse> HetznerServer::Keep(VendorZone& zone, const DomainName& owner,
                                                const Json& records, const Json& ttl) {
  if (IsAlias(zone, owner)) return Error(422, "invalid_input", "conflicts with a CNAME rrset");
  if (!ttl.is_null() && ttl < 60) return Error(422, "invalid_input", "ttl: too small");
  std::vector<VendorRecord> kept;
  for (const Json& in : records) {
    if (const std::string key = UnknownMember(in, {"value", "comment"}); !key.empty()) {
      return Error(422, "invalid_input", "unknown field " + key);
    }
    const std::string value = in.at("value");
    VendorRecord record;
    const auto known = std::ranges::find_if(zone.records, [&](const VendorRecord& old) {
      return old.owner == owner && old.type == "TXT" && !old.raw.empty() && old.raw == value;
    });
    if (known != zone.records.end()) {
      record = *known;  // kept before today's checks
    } else {
      const auto parsed = ParseTxtPresentation(value);
      if (!value.starts_with('"') || !parsed.ok()) {
        return Error(422, "invalid_input", "records: value: strings in quotes are wanted");
      }
      record.strings = parsed->strings;
    }
    record.id = MakeRecordId();
    record.owner = owner;
    record.ttl = ttl.is_null() ? kZoneTtl : ttl.get<uint32_t>();
    record.extra = Json::object();
    if (ttl.is_null()) record.extra["default_ttl"] = true;
    if (in.contains("comment")) record.extra["comment"] = in["comment"];
    if (std::ranges::any_of(kept, [&](const VendorRecord& other) {
          return other.raw == record.raw && other.strings == record.strings;
        })) {
      return Error(422, "invalid_input", "records: duplicate value");
    }
    kept.push_back(std::move(record));
  }
  std::erase_if(zone.records, [&](const VendorRecord& record) {
    return record.owner == owner && record.type == "TXT";
  });
  zone.records.insert(zone.records.end(), kept.begin(), kept.end());
  return std::nullopt;
}

HttpResponse HetznerServer::Started(int status, const std::string& command, Json body) {
  const std::string id = NextId();
  actions_[id] = {command, polls_, failing_ > 0};
  if (failing_ > 0) {
    --failing_;
  } else {
    Changed();
  }
  body["action"] = ShowAction(id);
  return JsonResponse(status, body);
}

Json HetznerServer::ShowAction(const std::string& id) const {
  const Action& action = actions_.at(id);
  const bool running = action.polls > 0;
  Json error;
  if (!running && action.fails) {
    error = {{"code", "action_failed"}, {"message", "Action failed"}};
  }
  return {{"id", std::stoll(id)},
          {"command", action.command},
          {"status", running        ? "running"
                     : action.fails ? "error"
                                    : "success"},
          {"progress", running ? 50 : 100},
          {"started", "2016-01-30T23:55:00+00:00"},
          {"finished", nullptr},
          {"resources", {{{"id", 42}, {"type", "zone"}}}},
          {"error", error}};
}

HttpResponse HetznerServer::Page(const VendorRequest& request, const char* member,
                                 const Json& all) const {
  const size_t page = NumberIn(request.Query("page"));
  const size_t wanted = NumberIn(request.Query("per_page"));
  if (page < 1 || wanted < 1 || wanted > 50) return NotUnderstood(request, "page out of range");
  const size_t size = PageSize(wanted);
  const size_t last = std::max<size_t>(1, (all.size() + size - 1) / size);
  return JsonResponse(200, {{member, PageOf(all, page, size)},
                            {"meta",
                             {{"pagination",
                               {{"page", page},
                                {"per_page", size},
                                {"previous_page", page > 1 ? Json(page - 1) : Json()},
                                {"next_page", page < last ? Json(page + 1) : Json()},
                                {"last_page", last},
                                {"total_entries", all.size()}}}}}});
}

Json HetznerServer::ShowZone(const VendorZone& zone) const {
  return {{"id", std::stoll(zone.id)},
          {"name", zone.name.text()},
          {"ttl", kZoneTtl},
          {"mode", zone.extra.value("mode", "primary")},
          {"status", "ok"},
          {"protection", {{"delete", false}}},
          {"labels", Json::object()}};
}

Json HetznerServer::ShowSet(const VendorZone& zone, const DomainName& owner,
                            const std::string& type) const {
  const std::string name = RelativeTo(zone, owner, "@");
  Json set = {{"id", name + "/" + type},
              {"name", name},
              {"type", type},
              {"ttl", nullptr},
              {"labels", Json::object()},
              {"protection", {{"change", false}}},
              {"records", Json::array()},
              {"zone", std::stoll(zone.id)}};
  for (const VendorRecord& record : zone.records) {
    if (record.owner != owner || record.type != type) continue;
    if (!record.extra.value("default_ttl", false)) set["ttl"] = record.ttl;
    if (record.extra.value("protected", false)) set["protection"]["change"] = true;
    Json shown = {
        {"value", record.raw.empty() ? TxtRecord{record.strings}.ToPresentation() : record.raw}};
    if (record.extra.contains("comment")) shown["comment"] = record.extra["comment"];
    set["records"].push_back(shown);
  }
  return set;
}

}  // namespace dmarcate::testing_support
