#include "tests/conformance/vendor/route53_server.h"

#include <algorithm>
#include <set>

#include "fmt/format.h"
#include <gtest/gtest.h>
#include <pugixml.hpp>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "tests/conformance/vendor/schema.h"

namespace dmarcate::testing_support {
namespace {

constexpr char kNamespace[] = "https://route53.amazonaws.com/doc/2013-04-01/";

HttpResponse Xml(int status, const std::string& text) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"content-type", "text/xml"}};
  response.body = "<?xml version=\"1.0\"?>\n" + text;
  return response;
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

// Octal, and without the blank between two strings, as the host may send it.
std::string Octal(const std::vector<std::string>& strings) {
  std::string out;
  for (const std::string& string : strings) {
    out += '"';
    for (const unsigned char c : string) {
      if (c == '"' || c == '\\') {
        out += fmt::format("\\{}", static_cast<char>(c));
      } else if (c < 0x20 || c > 0x7E) {
        out += fmt::format("\\{}{}{}", c / 64, c / 8 % 8, c % 8);
      } else {
        out += static_cast<char>(c);
      }
    }
    out += '"';
  }
  return out;
}

// Nothing if it is not of the form, or longer than a value may be.
std::vector<std::string> FromOctal(const std::string& value) {
  std::vector<std::string> strings;
  if (value.size() > 4000) return {};
  for (size_t i = 0; i < value.size();) {
    if (value[i] == ' ') {
      ++i;
      continue;
    }
    if (value[i++] != '"') return {};
    std::string string;
    for (; i < value.size() && value[i] != '"'; ++i) {
      if (value[i] != '\\') {
        string += value[i];
      } else if (value[i + 1] >= '0' && value[i + 1] <= '7') {
        string += static_cast<char>(std::stoi(value.substr(i + 1, 3), nullptr, 8));
        i += 3;
      } else {
        string += value[++i];
      }
    }
    if (i++ >= value.size() || string.size() > 255) return {};
    strings.push_back(string);
  }
  return strings;
}

std::string Shown(const VendorRecord& record) {
  return record.raw.empty() ? Octal(record.strings) : record.raw;
}

// Names sort by their labels from the right.
std::vector<std::string> SortKey(const DomainName& name) {
  const std::vector<std::string_view> views = name.labels();
  std::vector<std::string> labels(views.begin(), views.end());
  std::ranges::reverse(labels);
  return labels;
}

}  // namespace

HttpResponse Route53Server::Error(int status, std::string_view code,
                                  std::string_view message) const {
  return Xml(status, fmt::format("<ErrorResponse xmlns=\"{}\"><Error><Type>Sender</Type><Code>{}"
                                 "</Code><Message>{}</Message></Error><RequestId>1</RequestId>"
                                 "</ErrorResponse>",
                                 kNamespace, code, Escape(message)));
}

HttpResponse Route53Server::ErrorResponse(int status, std::string_view message) const {
  // Throttling has a status of its own here.
  if (status == 429) return Error(400, "Throttling", message);
  const std::string_view code = status == 401 || status == 403 ? "AccessDenied"
                                : status == 404                ? "NoSuchHostedZone"
                                : status == 409                ? "ConcurrentModification"
                                : status >= 500                ? "InternalFailure"
                                                               : "InvalidInput";
  return Error(status, code, ToValidUtf8(EscapeForTerminal(message)));
}

std::optional<HttpResponse> Route53Server::Authenticate(const VendorRequest& request) const {
  const std::string authorization = request.Header("Authorization");
  const std::string date = request.Header("X-Amz-Date");
  if (now_ && date != absl::FormatTime("%Y%m%dT%H%M%SZ", now_(), absl::UTCTimeZone())) {
    return Error(403, "SignatureDoesNotMatch", "Signature not yet current or expired");
  }
  const std::string scope = date.substr(0, 8) + "/us-east-1/route53/aws4_request";
  std::vector<std::string> pairs;
  for (const auto& [name, value] : request.query) {
    std::string encoded = name + "=";
    for (const unsigned char c : value) {
      const bool plain = isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
      encoded += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
    }
    pairs.push_back(encoded);
  }
  std::ranges::sort(pairs);
  const std::string canonical = fmt::format(
      "{}\n{}\n{}\nhost:{}\nx-amz-date:{}\n\nhost;x-amz-date\n{}", request.method, request.path,
      Join(pairs, "&"), request.origin.substr(8), date, Sha256Hex(request.body));
  std::string key = "AWS4" + secret_access_key_;
  for (const std::string& step : {date.substr(0, 8), std::string("us-east-1"),
                                  std::string("route53"), std::string("aws4_request")}) {
    key = HmacSha256(key, step);
  }
  const std::string signature = ToHex(HmacSha256(
      key, fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope, Sha256Hex(canonical))));
  const std::string want =
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders=host;x-amz-date, Signature={}",
                  access_key_id_, scope, signature);
  if (authorization == want) return std::nullopt;
  return Error(403, "SignatureDoesNotMatch",
               "The request signature we calculated does not match the signature you provided.");
}

HttpResponse Route53Server::Serve(const VendorRequest& request) {
  if (request.origin != "https://route53.amazonaws.com" || request.segments.size() < 2 ||
      request.segments[0] != "2013-04-01") {
    return NotUnderstood(request, "no such API");
  }
  if (auto refused = Authenticate(request)) return *refused;
  const std::vector<std::string> at(request.segments.begin() + 1, request.segments.end());
  if (request.method == "GET" && at.size() == 1 && at[0] == "hostedzone") return Zones(request);
  if (request.method == "GET" && at.size() == 1 && at[0] == "hostedzonesbyname") {
    return ZonesByName(request);
  }
  if (request.method == "GET" && at.size() == 2 && at[0] == "change") {
    const bool done = ++polled_ >= polls_;
    return Xml(200, fmt::format("<GetChangeResponse xmlns=\"{}\"><ChangeInfo><Id>/change/{}</Id>"
                                "<Status>{}</Status><SubmittedAt>2026-11-30T10:00:00Z</SubmittedAt>"
                                "</ChangeInfo></GetChangeResponse>",
                                kNamespace, at[1], done ? "INSYNC" : "PENDING"));
  }
  if (at.size() < 3 || at[0] != "hostedzone" || at[2] != "rrset") {
    return NotUnderstood(request, "no such path");
  }
  VendorZone* const zone = ZoneById(at[1]);
  if (zone == nullptr) return Error(404, "NoSuchHostedZone", "No hosted zone found with ID");
  if (records_forbidden()) {
    return Error(403, "AccessDenied",
                 "User is not authorized to perform: "
                 "route53:ListResourceRecordSets");
  }
  if (request.method == "GET" && at.size() == 3) return Sets(request, *zone);
  if (request.method == "POST" && at.size() == 4 && at[3].empty()) return Change(request, *zone);
  return NotUnderstood(request, "no such method here");
}

HttpResponse Route53Server::Zones(const VendorRequest& request) const {
  if (!HasQuery(request, {"maxitems", "[marker]"})) return Error(400, "InvalidInput", "query");
  const size_t size = PageSize(std::stoul(request.Query("maxitems")));
  const std::string marker = request.Query("marker");
  std::string items, next;
  size_t count = 0;
  bool begun = marker.empty();
  for (const VendorZone& zone : zones_) {
    begun = begun || zone.id == marker;
    if (!begun) continue;
    if (count++ == size) {
      next = zone.id;
      break;
    }
    items += fmt::format(
        "<HostedZone><Id>/hostedzone/{}</Id><Name>{}</Name><CallerReference>x"
        "</CallerReference><Config><PrivateZone>{}</PrivateZone></Config>"
        "</HostedZone>",
        zone.id, zone.name.ToFqdn(), zone.extra.value("private", false));
  }
  return Xml(200, fmt::format("<ListHostedZonesResponse xmlns=\"{}\"><HostedZones>{}</HostedZones>"
                              "<IsTruncated>{}</IsTruncated>{}<MaxItems>{}</MaxItems>"
                              "</ListHostedZonesResponse>",
                              kNamespace, items, !next.empty(),
                              next.empty() ? "" : "<NextMarker>" + next + "</NextMarker>", size));
}

HttpResponse Route53Server::ZonesByName(const VendorRequest& request) const {
  if (!HasQuery(request, {"dnsname", "maxitems", "[hostedzoneid]"})) {
    return Error(400, "InvalidInput", "query");
  }
  std::vector<const VendorZone*> sorted;
  for (const VendorZone& zone : zones_) sorted.push_back(&zone);
  const auto key = [](const VendorZone* zone) { return std::pair(SortKey(zone->name), zone->id); };
  std::ranges::sort(sorted, {}, key);
  const std::pair start(SortKey(DomainName::Parse(request.Query("dnsname")).value()),
                        request.Query("hostedzoneid"));
  const size_t size = PageSize(std::stoul(request.Query("maxitems")));
  std::string items, next;
  size_t count = 0;
  for (const VendorZone* zone : sorted) {
    if (key(zone) < start) continue;
    if (count++ == size) {
      next = fmt::format("<NextDNSName>{}</NextDNSName><NextHostedZoneId>{}</NextHostedZoneId>",
                         zone->name.ToFqdn(), zone->id);
      break;
    }
    items += fmt::format(
        "<HostedZone><Id>/hostedzone/{}</Id><Name>{}</Name><CallerReference>x"
        "</CallerReference><Config><PrivateZone>{}</PrivateZone></Config>"
        "</HostedZone>",
        zone->id, zone->name.ToFqdn(), zone->extra.value("private", false));
  }
  return Xml(200, fmt::format("<ListHostedZonesByNameResponse xmlns=\"{}\"><HostedZones>{}"
                              "</HostedZones><IsTruncated>{}</IsTruncated>{}<MaxItems>{}</MaxItems>"
                              "</ListHostedZonesByNameResponse>",
                              kNamespace, items, !next.empty(), next, size));
}

HttpResponse Route53Server::Sets(const VendorRequest& request, const VendorZone& zone) const {
  if (!HasQuery(request, {"name", "type", "maxitems", "[identifier]"})) {
    return Error(400, "InvalidInput", "query");
  }
  // Sets in the order of the zone, from the one asked for on.
  std::set<std::tuple<std::vector<std::string>, std::string, std::string>> order;
  for (const VendorRecord& record : zone.records) {
    order.emplace(SortKey(record.owner), record.type, record.owner.text());
  }
  const auto start = std::tuple(SortKey(DomainName::Parse(request.Query("name")).value()),
                                request.Query("type"), std::string());
  const size_t size = PageSize(std::stoul(request.Query("maxitems")));
  std::string sets, next;
  size_t count = 0;
  for (auto at = order.lower_bound(start); at != order.end(); ++at) {
    const auto& [labels, type, name] = *at;
    if (count++ == size) {
      next = fmt::format("<NextRecordName>{}.</NextRecordName><NextRecordType>{}</NextRecordType>",
                         name, type);
      break;
    }
    std::string values, ttl, more;
    for (const VendorRecord& record : zone.records) {
      if (record.owner.text() != name || record.type != type) continue;
      values +=
          fmt::format("<ResourceRecord><Value>{}</Value></ResourceRecord>", Escape(Shown(record)));
      ttl = std::to_string(record.ttl);
      if (record.extra.contains("identifier")) {
        more = fmt::format("<SetIdentifier>{}</SetIdentifier><Weight>1</Weight>",
                           record.extra["identifier"].get<std::string>());
      }
    }
    sets += fmt::format(
        "<ResourceRecordSet><Name>{}.</Name><Type>{}</Type>{}<TTL>{}</TTL>"
        "<ResourceRecords>{}</ResourceRecords></ResourceRecordSet>",
        name, type, more, ttl, values);
  }
  return Xml(200, fmt::format("<ListResourceRecordSetsResponse xmlns=\"{}\"><ResourceRecordSets>{}"
                              "</ResourceRecordSets><IsTruncated>{}</IsTruncated>{}<MaxItems>{}"
                              "</MaxItems></ListResourceRecordSetsResponse>",
                              kNamespace, sets, !next.empty(), next, size));
}

std::string Route53Server::Take(const std::string& action, const DomainName& owner, uint32_t ttl,
                                const std::vector<std::string>& values, VendorZone& zone) {
  const std::string what =
      fmt::format("resource record set [name='{}.', type='TXT']", owner.text());
  std::vector<std::string> stored;
  uint32_t stored_ttl = 0;
  for (const VendorRecord& record : zone.records) {
    if (record.owner != owner || record.type != "TXT") continue;
    stored.push_back(Shown(record));
    stored_ttl = record.ttl;
  }
  if (IsAlias(zone, owner)) {
    return fmt::format(
        "RRSet of type TXT with DNS name {}. is not permitted because a conflicting "
        "RRSet of type CNAME with the same DNS name already exists in zone",
        owner.text());
  }
  if (action == "DELETE") {
    if (stored.empty()) return "Tried to delete " + what + " but it was not found";
    // By meaning: how a value is cut and escaped counts, blanks between strings do not.
    const auto same = [](std::vector<std::string> texts) {
      for (std::string& text : texts) {
        const std::vector<std::string> strings = FromOctal(text);
        if (!strings.empty()) text = Octal(strings);
      }
      std::ranges::sort(texts);
      return texts;
    };
    if (same(stored) != same(values) || stored_ttl != ttl) {
      return "Tried to delete " + what + " but the values provided do not match the current values";
    }
    std::erase_if(zone.records, [&](const VendorRecord& record) {
      return record.owner == owner && record.type == "TXT";
    });
    return "";
  }
  if (action != "CREATE") return "an edit never overwrites";
  if (!stored.empty()) return "Tried to create " + what + " but it already exists";
  for (const std::string& value : values) {
    VendorRecord record{.id = MakeRecordId(), .owner = owner, .ttl = ttl};
    record.strings = FromOctal(value);
    if (record.strings.empty()) record.raw = value;  // what was there before goes on
    zone.records.push_back(record);
  }
  return "";
}

HttpResponse Route53Server::Change(const VendorRequest& request, VendorZone& zone) {
  for (const std::string& error : CheckBotocoreXml(
           "route53/service-2-subset.json", "ChangeResourceRecordSetsRequest", request.body)) {
    ADD_FAILURE() << error << "\n" << request.body;
  }
  if (!HasQuery(request, {})) return Error(400, "InvalidInput", "query");
  pugi::xml_document document;
  if (!document.load_buffer(request.body.data(), request.body.size())) {
    return NotUnderstood(request, "no XML");
  }
  const pugi::xml_node root = document.child("ChangeResourceRecordSetsRequest");
  if (std::string_view(root.attribute("xmlns").value()) != kNamespace) {
    return NotUnderstood(request, "another namespace");
  }
  VendorZone copy = zone;  // all or nothing
  for (const pugi::xml_node change : root.child("ChangeBatch").child("Changes").children()) {
    const pugi::xml_node set = change.child("ResourceRecordSet");
    std::vector<std::string> values;
    for (const pugi::xml_node record : set.child("ResourceRecords").children()) {
      values.emplace_back(record.child("Value").text().as_string());
    }
    const DomainName owner = DomainName::Parse(set.child("Name").text().as_string()).value();
    const std::string type = set.child("Type").text().as_string();
    if (rights_ == Rights::kNone || (rights_ == Rights::kTxt && type != "TXT")) {
      return Error(403, "AccessDenied",
                   "User is not authorized to perform: route53:ChangeResourceRecordSets");
    }
    if (type != "TXT" && change.child("Action").text().as_string() != std::string("DELETE")) {
      return NotUnderstood(request, "a record of another type");
    }
    const std::string wrong =
        type != "TXT" ? fmt::format(
                            "Tried to delete resource record set [name='{}.', type='{}'] "
                            "but it was not found",
                            owner.text(), type)
        : owner.IsAtOrBelow(zone.name) ? Take(change.child("Action").text().as_string(), owner,
                                              set.child("TTL").text().as_uint(), values, copy)
                                       : "RRSet with DNS name is not permitted in zone";
    if (!wrong.empty()) {
      return Xml(400, fmt::format("<InvalidChangeBatch xmlns=\"{}\"><Messages><Message>[{}]"
                                  "</Message></Messages><RequestId>1</RequestId>"
                                  "</InvalidChangeBatch>",
                                  kNamespace, Escape(wrong)));
    }
  }
  zone = copy;
  Changed();
  polled_ = 0;
  return Xml(200, fmt::format("<ChangeResourceRecordSetsResponse xmlns=\"{}\"><ChangeInfo>"
                              "<Id>/change/C{}</Id><Status>PENDING</Status>"
                              "<SubmittedAt>2026-11-30T10:00:00Z</SubmittedAt></ChangeInfo>"
                              "</ChangeResourceRecordSetsResponse>",
                              kNamespace, NextId()));
}

}  // namespace dmarcate::testing_support
