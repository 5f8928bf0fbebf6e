#include "policyd/provider/exec/exec_message.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/json.h"

namespace dmarcate {
namespace {

constexpr uint64_t kVersion = 1;
constexpr size_t kMaxZones = 100'000;
constexpr size_t kMaxRecords = 1000;
constexpr size_t kMaxWarnings = 20;
constexpr size_t kMaxTextOctets = 500;  // of a message or a warning
constexpr size_t kMaxQuotedOctets = 40;

absl::Status Nonsense(std::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, fmt::format("its answer: {}", what));
}

// Whole or not at all: what is taken for the secret later must not be half of it.
std::string Quoted(std::string_view text) {
  if (text.size() > kMaxQuotedOctets) return fmt::format("of {} octets", text.size());
  return fmt::format("\"{}\"", EscapeForTerminal(text));
}

Json Request(const char* operation) { return {{"version", kVersion}, {"operation", operation}}; }

Json Presentations(const std::vector<TxtRecord>& records) {
  Json out = Json::array();
  for (const TxtRecord& record : records) out.push_back(record.ToPresentation());
  return out;
}

// A member that is there twice means two things; the library would take the last.
bool HasMemberTwice(std::string_view text) {
  std::vector<std::set<std::string>> open;
  bool twice = false;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key) {
      twice = !open.back().insert(parsed.get<std::string>()).second || twice;
    }
    return true;
  };
  const Json ignored = Json::parse(text, watch, false);
  return twice;
}

// `object` is one, and has no member beside `known`.
absl::Status CheckMembers(const Json& object, std::string_view what,
                          const std::vector<std::string>& known) {
  if (!object.is_object()) return Nonsense(fmt::format("{} is no object", what));
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    return Nonsense(
        fmt::format("{} has a member {}; known are {}", what, Quoted(key), Join(known, ", ")));
  }
  return absl::OkStatus();
}

enum class Operation : uint8_t { kRead, kWrite };

absl::StatusOr<absl::StatusCode> CodeOf(std::string_view code, Operation operation) {
  if (code == "unavailable") return absl::StatusCode::kUnavailable;
  if (code == "denied") return absl::StatusCode::kPermissionDenied;
  if (code == "no_zone") return absl::StatusCode::kNotFound;
  if (code == "refused") return absl::StatusCode::kInvalidArgument;
  if (code == "cannot") return absl::StatusCode::kFailedPrecondition;
  if (operation == Operation::kWrite) {
    if (code == "conflict") return absl::StatusCode::kAborted;
    if (code == "unknown") return absl::StatusCode::kUnknown;
  }
  return Nonsense(fmt::format("error code {} is none of this operation", Quoted(code)));
}

absl::StatusOr<std::string> TextAt(const Json& object, const char* key, std::string_view what) {
  std::optional<std::string> text = StringAt(object, key);
  if (!text) return Nonsense(fmt::format("{} has no text \"{}\"", what, key));
  if (text->size() > kMaxTextOctets) text->resize(kMaxTextOctets);
  return EscapeForTerminal(ToValidUtf8(*text));
}

// The member "result", with no members beside `known`; or the error that is told.
absl::StatusOr<Json> ResultOf(std::string_view answer, Operation operation,
                              const std::vector<std::string>& known) {
  if (TrimAscii(answer).empty()) return Nonsense("nothing on standard output");
  const Json root = ParseJson(answer);
  if (root.is_discarded()) return Nonsense("no JSON, or more than one object");
  if (HasMemberTwice(answer)) return Nonsense("one member twice");
  DMARCATE_RETURN_IF_ERROR(CheckMembers(root, "it", {"version", "result", "error"}));
  if (!MemberOf(root, "version").is_number_unsigned() || NumberAt(root, "version") != kVersion) {
    return Nonsense(fmt::format("version {} is wanted", kVersion));
  }
  if (root.contains("result") == root.contains("error")) {
    return Nonsense("either \"result\" or \"error\" is wanted");
  }
  if (root.contains("error")) {
    const Json& error = MemberOf(root, "error");
    DMARCATE_RETURN_IF_ERROR(CheckMembers(error, "\"error\"", {"code", "message"}));
    DMARCATE_ASSIGN_OR_RETURN(const std::string code, TextAt(error, "code", "\"error\""));
    DMARCATE_ASSIGN_OR_RETURN(const std::string message, TextAt(error, "message", "\"error\""));
    DMARCATE_ASSIGN_OR_RETURN(const absl::StatusCode status_code, CodeOf(code, operation));
    return MakeError(status_code, fmt::format("{}: {}", code, message));
  }
  DMARCATE_RETURN_IF_ERROR(CheckMembers(MemberOf(root, "result"), "\"result\"", known));
  return MemberOf(root, "result");
}

absl::StatusOr<std::vector<DomainName>> ZonesAt(const Json& result) {
  const Json& zones = MemberOf(result, "zones");
  if (!zones.is_array()) return Nonsense("no list \"zones\"");
  if (zones.size() > kMaxZones) return Nonsense(fmt::format("over {} zones", kMaxZones));
  std::vector<DomainName> names;
  for (const Json& zone : zones) {
    if (!zone.is_string()) return Nonsense("a zone that is no text");
    // A zone may have a name that is none of a mail domain.
    absl::StatusOr<DomainName> name = DomainName::Parse(zone.get<std::string>());
    if (name.ok() && !name->IsRoot()) names.push_back(*std::move(name));
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

absl::StatusOr<TxtRecord> RecordOf(const Json& value) {
  if (!value.is_string()) return Nonsense("a record that is no text");
  const auto text = value.get<std::string>();
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    return Nonsense(
        "a record that is not in quotes: all its character-strings are wanted as RFC "
        "1035 section 5.1 writes them");
  }
  absl::StatusOr<TxtRecord> record = ParseTxtPresentation(text);
  if (!record.ok()) return Nonsense(fmt::format("a record: {}", MessageOf(record.status())));
  return record;
}

}  // namespace

std::string ExecListZonesRequest() { return ToText(Request("list_zones")); }

std::string ExecTestRequest() { return ToText(Request("test")); }

std::string ExecReadRequest(const DomainName& zone, const DomainName& owner) {
  Json request = Request("read");
  request["zone"] = zone.text();
  request["name"] = owner.text();
  request["type"] = "TXT";
  return ToText(request);
}

std::string ExecWriteRequest(const DomainName& zone, const RrSetChange& change,
                             const std::vector<TxtRecord>& expected) {
  Json request = Request("write");
  request["zone"] = zone.text();
  request["name"] = change.owner.text();
  request["type"] = "TXT";
  request["expected"] = Presentations(expected);
  request["records"] = Presentations(change.after);
  if (!change.after.empty()) request["ttl"] = change.ttl_seconds;
  return ToText(request);
}

absl::StatusOr<std::vector<DomainName>> ParseExecZones(std::string_view answer) {
  DMARCATE_ASSIGN_OR_RETURN(const Json result, ResultOf(answer, Operation::kRead, {"zones"}));
  return ZonesAt(result);
}

absl::StatusOr<ExecTest> ParseExecTest(std::string_view answer) {
  DMARCATE_ASSIGN_OR_RETURN(const Json result,
                            ResultOf(answer, Operation::kRead, {"zones", "class", "warnings"}));
  ExecTest test;
  DMARCATE_ASSIGN_OR_RETURN(test.zones, ZonesAt(result));
  const absl::StatusOr<ProviderClass> provider_class =
      ParseProviderClass(StringAt(result, "class").value_or(""));
  if (!provider_class.ok()) return Nonsense(MessageOf(provider_class.status()));
  test.provider_class = *provider_class;
  const Json& warnings = MemberOf(result, "warnings");
  if (warnings.is_null()) return test;
  if (!warnings.is_array() || warnings.size() > kMaxWarnings) {
    return Nonsense(fmt::format("\"warnings\" is no list of at most {}", kMaxWarnings));
  }
  for (const Json& warning : warnings) {
    if (!warning.is_string()) return Nonsense("a warning that is no text");
    std::string text = warning.get<std::string>().substr(0, kMaxTextOctets);
    test.warnings.push_back(EscapeForTerminal(ToValidUtf8(text)));
  }
  return test;
}

absl::StatusOr<RrSet> ParseExecRrSet(std::string_view answer) {
  DMARCATE_ASSIGN_OR_RETURN(const Json result,
                            ResultOf(answer, Operation::kRead, {"records", "ttl"}));
  const Json& records = MemberOf(result, "records");
  if (!records.is_array()) return Nonsense("no list \"records\"");
  if (records.size() > kMaxRecords) return Nonsense(fmt::format("over {} records", kMaxRecords));
  RrSet rrset;
  for (const Json& value : records) {
    DMARCATE_ASSIGN_OR_RETURN(TxtRecord record, RecordOf(value));
    // An RRset has no duplicates (RFC 2181 section 5).
    if (std::ranges::find(rrset.records, record) != rrset.records.end()) {
      return Nonsense("one record twice");
    }
    rrset.records.push_back(std::move(record));
  }
  const std::optional<uint32_t> ttl = TtlAt(result, "ttl");
  if (rrset.records.empty() && result.contains("ttl")) return Nonsense("a ttl without records");
  if (rrset.records.empty()) return rrset;
  if (!ttl || !MemberOf(result, "ttl").is_number_unsigned()) {
    return Nonsense("no number \"ttl\" from 0 to 2147483647");
  }
  rrset.ttl_seconds = *ttl;
  return rrset;
}

absl::Status ParseExecWritten(std::string_view answer) {
  DMARCATE_ASSIGN_OR_RETURN(const Json result, ResultOf(answer, Operation::kWrite, {"outcome"}));
  const std::optional<std::string> outcome = StringAt(result, "outcome");
  if (outcome == "written" || outcome == "unchanged") return absl::OkStatus();
  return Nonsense("\"outcome\" is neither \"written\" nor \"unchanged\"");
}

}  // namespace dmarcate
