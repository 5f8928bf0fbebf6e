#include "policyd/provider/route53/route53_message.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>

#include <pugixml.hpp>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/json.h"
#include "policyd/provider/api/txt_codec.h"
#include "policyd/provider/api/url.h"

namespace dmarcate {
namespace {

constexpr char kNamespace[] = "https://route53.amazonaws.com/doc/2013-04-01/";

// The root, if it has one of those names.
absl::StatusOr<pugi::xml_node> Root(pugi::xml_document& document, std::string_view xml,
                                    const std::vector<std::string_view>& names) {
  // No DOCTYPE, no entities of its own: pugixml resolves none.
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default)) {
    return NotUnderstood("no XML");
  }
  const pugi::xml_node root = document.document_element();
  if (std::ranges::find(names, std::string_view(root.name())) == names.end()) {
    return NotUnderstood("another document");
  }
  return root;
}

std::string Text(const pugi::xml_node& node, const char* name) {
  return node.child(name).text().as_string();
}

// "/hostedzone/Z1" and "Z1" are the same.
std::string WithoutPrefix(std::string id, std::string_view prefix) {
  if (id.starts_with(prefix)) id.erase(0, prefix.size());
  return id;
}

bool IsPlainId(const std::string& id) {
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// Octets other than letters, digits, '-', '_' and '.' come as \ooo. Nothing for names that are none
// for mail.
std::optional<DomainName> ParseName(std::string_view text) {
  std::string name;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || text.size() - i < 4) {
      name += text[i];
      continue;
    }
    int octet = 0;
    for (size_t k = 1; k <= 3; ++k) {
      if (text[i + k] < '0' || text[i + k] > '7') return std::nullopt;
      octet = octet * 8 + (text[i + k] - '0');
    }
    if (octet > 255) return std::nullopt;
    name += static_cast<char>(octet);
    i += 3;
  }
  const absl::StatusOr<DomainName> parsed = DomainName::Parse(name);
  if (!parsed.ok()) return std::nullopt;
  return *parsed;
}

std::optional<uint32_t> ParseTtl(const std::string& text) {
  if (text.empty() || text.size() > 10 ||
      !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  const uint64_t ttl = std::stoull(text);
  if (ttl > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(ttl);
}

// Why the set is none that can be swapped as it is; empty if it is.
std::string WhyNotPlain(const pugi::xml_node& set) {
  if (set.child("AliasTarget")) return "it is an alias record";
  if (set.child("TrafficPolicyInstanceId")) return "a traffic policy keeps it";
  if (set.child("HealthCheckId")) return "it depends on a health check";
  if (set.child("SetIdentifier")) return "it has a routing policy (several sets of one name)";
  return "";
}

absl::Status AddRecords(const pugi::xml_node& set, HostedRrSet& rrset) {
  for (const pugi::xml_node record : set.child("ResourceRecords").children("ResourceRecord")) {
    HostedRecord out;
    out.raw = Text(record, "Value");
    if (absl::StatusOr<TxtRecord> txt = DecodeTxt(TxtForm::kQuotedOctal, out.raw); txt.ok()) {
      out.txt = *std::move(txt);
    }
    rrset.records.push_back(std::move(out));
  }
  if (const std::string why = WhyNotPlain(set); !why.empty()) {
    rrset.refuse = why;
    return absl::OkStatus();
  }
  const std::optional<uint32_t> ttl = ParseTtl(Text(set, "TTL"));
  if (!ttl) return NotUnderstood("a set without TTL");
  rrset.ttl_seconds = *ttl;
  return absl::OkStatus();
}

void AppendChange(pugi::xml_node changes, const char* action, const DomainName& owner, uint32_t ttl,
                  const std::vector<std::string>& values, const char* type = "TXT") {
  if (values.empty()) return;
  const auto add = [](pugi::xml_node parent, const char* name, const std::string& text) {
    parent.append_child(name).text().set(text.c_str());
  };
  pugi::xml_node change = changes.append_child("Change");
  add(change, "Action", action);
  pugi::xml_node set = change.append_child("ResourceRecordSet");
  add(set, "Name", owner.ToFqdn());
  add(set, "Type", type);
  add(set, "TTL", std::to_string(ttl));
  pugi::xml_node records = set.append_child("ResourceRecords");
  for (const std::string& value : values) {
    add(records.append_child("ResourceRecord"), "Value", value);
  }
}

pugi::xml_node AppendBatch(pugi::xml_document& document) {
  pugi::xml_node root = document.append_child("ChangeResourceRecordSetsRequest");
  root.append_attribute("xmlns").set_value(kNamespace);
  return root.append_child("ChangeBatch").append_child("Changes");
}

std::string ToText(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "", pugi::format_raw, pugi::encoding_utf8);
  return out.str();
}

ApiFailure FailureOf(const std::string& code, const std::string& message, int http_status) {
  // Throttling comes with status 400, too; nothing was done then.
  for (const std::string_view throttled :
       {"Throttling", "ThrottlingException", "PriorRequestNotComplete"}) {
    if (code == throttled) return ApiFailure::kThrottled;
  }
  for (const std::string_view credential :
       {"AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch",
        "ExpiredToken", "UnrecognizedClientException", "RequestExpired", "IncompleteSignature",
        "MissingAuthenticationToken", "OptInRequired", "NotAuthorizedException"}) {
    if (code == credential) return ApiFailure::kCredential;
  }
  if (code == "NoSuchHostedZone" || code == "NoSuchChange") return ApiFailure::kMissing;
  if (code == "InvalidChangeBatch") {
    const auto says = [&message](std::string_view words) {
      return message.find(words) != std::string::npos;
    };
    if (says("conflicting RRSet of type CNAME") || says("CNAME")) return ApiFailure::kNotHere;
    if (says("was not found") || says("do not match") || says("already exists")) {
      return ApiFailure::kConflict;
    }
    return ApiFailure::kRefused;
  }
  return FailureOfStatus(http_status).value_or(ApiFailure::kNonsense);
}

}  // namespace

absl::StatusOr<Route53ZonePage> ParseRoute53Zones(std::string_view xml) {
  pugi::xml_document document;
  DMARCATE_ASSIGN_OR_RETURN(
      const pugi::xml_node root,
      Root(document, xml, {"ListHostedZonesResponse", "ListHostedZonesByNameResponse"}));
  if (!root.child("HostedZones")) return NotUnderstood("no list of zones");
  Route53ZonePage page;
  for (const pugi::xml_node zone : root.child("HostedZones").children("HostedZone")) {
    if (Text(zone.child("Config"), "PrivateZone") == "true") continue;
    const std::string id = WithoutPrefix(Text(zone, "Id"), "/hostedzone/");
    if (!IsPlainId(id)) return NotUnderstood("zone without id");
    const std::optional<DomainName> name = ParseName(Text(zone, "Name"));
    if (!name || name->IsRoot()) continue;
    page.zones.push_back({*name, id, ""});
  }
  if (Text(root, "IsTruncated") == "true") {
    const std::string marker = Text(root, "NextMarker");
    const std::string name = Text(root, "NextDNSName");
    const std::string id = WithoutPrefix(Text(root, "NextHostedZoneId"), "/hostedzone/");
    if (!marker.empty()) {
      page.next = fmt::format("marker={}", QueryEscape(marker));
    } else if (!name.empty() && !id.empty()) {
      page.next = fmt::format("dnsname={}&hostedzoneid={}", QueryEscape(name), QueryEscape(id));
    } else {
      return NotUnderstood("a list that is cut and does not say where");
    }
  }
  return page;
}

absl::StatusOr<Route53RrSetPage> ParseRoute53RrSets(std::string_view xml, const DomainName& owner) {
  pugi::xml_document document;
  DMARCATE_ASSIGN_OR_RETURN(const pugi::xml_node root,
                            Root(document, xml, {"ListResourceRecordSetsResponse"}));
  const pugi::xml_node sets = root.child("ResourceRecordSets");
  if (!sets) return NotUnderstood("no list of sets");
  Route53RrSetPage page;
  for (const pugi::xml_node set : sets.children("ResourceRecordSet")) {
    const std::optional<DomainName> name = ParseName(Text(set, "Name"));
    if (!name || *name != owner || Text(set, "Type") != "TXT") return page;  // past it
    DMARCATE_RETURN_IF_ERROR(AddRecords(set, page.rrset));
  }
  if (Text(root, "IsTruncated") == "true") {
    const std::optional<DomainName> name = ParseName(Text(root, "NextRecordName"));
    if (!name || *name != owner || Text(root, "NextRecordType") != "TXT") return page;
    page.next = fmt::format("name={}&type=TXT", QueryEscape(owner.ToFqdn()));
    if (const std::string id = Text(root, "NextRecordIdentifier"); !id.empty()) {
      page.next += fmt::format("&identifier={}", QueryEscape(id));
    }
  }
  return page;
}

absl::StatusOr<Route53Change> ParseRoute53Change(std::string_view xml) {
  pugi::xml_document document;
  DMARCATE_ASSIGN_OR_RETURN(
      const pugi::xml_node root,
      Root(document, xml, {"ChangeResourceRecordSetsResponse", "GetChangeResponse"}));
  const pugi::xml_node info = root.child("ChangeInfo");
  Route53Change change;
  change.id = WithoutPrefix(Text(info, "Id"), "/change/");
  change.in_sync = Text(info, "Status") == "INSYNC";
  if (!IsPlainId(change.id)) return NotUnderstood("no id of a change");
  return change;
}

ApiError ParseRoute53Error(std::string_view xml, int http_status) {
  pugi::xml_document document;
  std::string code, message;
  if (document.load_buffer(xml.data(), xml.size(), pugi::parse_default)) {
    const pugi::xml_node root = document.document_element();
    const pugi::xml_node error = root.child("Error");
    code = error ? Text(error, "Code") : std::string(root.name());
    message = Text(error, "Message");
    for (const pugi::xml_node one : root.child("Messages").children("Message")) {
      message += message.empty() ? "" : "; ";
      message += one.text().as_string();
    }
  }
  const std::string said = code.empty() ? "" : fmt::format("{}: {}", code, message);
  return {FailureOf(code, message, http_status), said};
}

std::string MakeRoute53Deletion(const DomainName& owner, Route53Type type, std::string_view value) {
  pugi::xml_document document;
  AppendChange(AppendBatch(document), "DELETE", owner, 1, {std::string(value)},
               type == Route53Type::kTxt ? "TXT" : "A");
  return ToText(document);
}

std::string MakeRoute53ChangeBatch(const DomainName& owner,
                                   const std::vector<std::string>& old_values, uint32_t old_ttl,
                                   const std::vector<std::string>& new_values, uint32_t new_ttl) {
  pugi::xml_document document;
  const pugi::xml_node changes = AppendBatch(document);
  AppendChange(changes, "DELETE", owner, old_ttl, old_values);
  AppendChange(changes, "CREATE", owner, new_ttl, new_values);
  return ToText(document);
}

}  // namespace dmarcate
