#include "lib/report/tls.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lib/base/text.h"
#include "lib/report/date_text.h"
#include "lib/report/json_bounds.h"
#include "lib/report/json_stream.h"
#include "lib/report/json_tree.h"
#include "lib/report/model_budget.h"
#include "lib/report/repair_log.h"
#include "lib/report/value_text.h"

namespace dmarcate {
namespace {

using nlohmann::json;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// As written; an escape takes six bytes for one. Sixteen times what is stored of a text, so that
// what is stored is the same, and a list inside a text is one.
constexpr size_t kStringBytes = 64 * 1024;
constexpr size_t kWordBytes = 1024;  // of a number
constexpr size_t kMembers = 1000;    // of one object; RFC 8460 knows nine at most

// What RFC 8460 section 4.4 has, and what is read in its place.
constexpr JsonShape kText{};
constexpr JsonShape kTextList{.element = &kText};
constexpr JsonShape::Member kDateMembers[] = {{"start-datetime", &kText}, {"end-datetime", &kText}};
constexpr JsonShape kDates{.members = kDateMembers};
constexpr JsonShape::Member kPolicyMembers[] = {{"policy-type", &kText},
                                                {"policy-domain", &kText},
                                                {"policy-string", &kTextList},
                                                {"mx-host", &kTextList},
                                                {"mx-host-pattern", &kTextList}};
constexpr JsonShape kPolicy{.members = kPolicyMembers};
constexpr JsonShape::Member kSummaryMembers[] = {{"total-successful-session-count", &kText},
                                                 {"total-failure-session-count", &kText}};
constexpr JsonShape kSummary{.members = kSummaryMembers};
constexpr JsonShape::Member kFailureMembers[] = {
    {"result-type", &kText},           {"sending-mta-ip", &kText},
    {"receiving-mx-hostname", &kText}, {"receiving-mx-helo", &kText},
    {"receiving-ip", &kText},          {"additional-information", &kText},
    {"additional-info-uri", &kText},   {"failure-reason-code", &kText},
    {"failed-session-count", &kText}};
constexpr JsonShape kFailure{.members = kFailureMembers};
// One failure may stand alone, without a list around it.
constexpr JsonShape kFailures{.members = kFailureMembers, .element = &kFailure, .streamed = true};
constexpr JsonShape::Member kResultMembers[] = {
    {"policy", &kPolicy}, {"summary", &kSummary}, {"failure-details", &kFailures}};
constexpr JsonShape kResult{.members = kResultMembers};
constexpr JsonShape kResults{.element = &kResult, .streamed = true};
constexpr JsonShape::Member kReportMembers[] = {{"organization-name", &kText},
                                                {"report-id", &kText},
                                                {"contact-info", &kText},
                                                {"date-range", &kDates},
                                                {"policies", &kResults}};
constexpr JsonShape kReport{.members = kReportMembers};

std::string_view WithoutMark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return TrimAscii(text);
}

// The member `name` of `object`, or null for anything that is not there.
const json& Member(const json& object, std::string_view name) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto it = object.find(name);
  return it == object.end() ? kNull : *it;
}

// Where a value stands. Made into a text only for a repair: most values need none.
struct Place {
  std::string_view in;  // "policies[1]/failure-details", or empty
  std::string_view name;
  std::string ToText() const {
    return in.empty()     ? std::string(name)
           : name.empty() ? std::string(in)
                          : fmt::format("{}/{}", in, name);
  }
};

class TlsReader {
 public:
  explicit TlsReader(const TlsLimits& limits)
      : limits_(limits), log_(limits.repairs), values_left_(limits.json_values) {}

  ParsedTlsReport Read(std::string_view document);

 private:
  ParsedTlsReport Refused(Outcome outcome, std::string_view reason, std::string detail);
  // What is wrong with a text that was not read to its end.
  ParsedTlsReport RefusedText(const JsonStreamResult& read, const JsonBounds& bounds);
  bool ReadReport(const json& root);
  // Both false if a limit forbids to go on; stopped_by_ says which.
  bool TakePolicyResult(const json& entry);
  bool TakeFailure(const json& entry, int ordinal);
  bool TakeBytes(int64_t bytes);
  void ReadDates(const json& range);
  TlsReport::PolicyResult ReadPolicyResult(const json& entry, const std::string& path);
  std::string Text(const json& value, const Place& place);
  std::vector<std::string> TextList(const json& value, const Place& place);
  void AppendList(const json& value, const Place& place, std::vector<std::string>& list);
  uint64_t Count(const json& value, const Place& place);

  const TlsLimits& limits_;
  RepairLog log_;
  TlsReport report_;
  std::vector<TlsReport::FailureDetail> failures_;  // of the policy that is being read
  struct FailuresPlace {
    int ordinal = 0;
    std::string path;
  };
  FailuresPlace failures_place_;  // of the policy that the last failure was of
  size_t failure_details_ = 0;
  int ordinal_ = 0;  // of the last policy that was read
  int64_t model_bytes_ = 0;
  std::string_view stopped_by_;
  size_t values_left_;
};

ParsedTlsReport TlsReader::Refused(Outcome outcome, std::string_view reason, std::string detail) {
  ParsedTlsReport result;
  result.outcome = outcome;
  result.reason = reason;
  result.detail = std::move(detail);
  result.repairs_dropped = log_.dropped();
  result.repairs = log_.Take();
  return result;
}

std::string TlsReader::Text(const json& value, const Place& place) {
  std::string text;
  if (value.is_string()) {
    text = TrimAscii(value.get_ref<const std::string&>());
  } else if (value.is_number()) {
    text = value.dump();
  } else if (!value.is_null()) {
    log_.Add("text_expected", place.ToText(), value.type_name(), "", Effect::kCosmetic);
  }
  if (text.size() > limits_.stored_text_bytes) {
    log_.Add("text_cut", place.ToText(), text, "", Effect::kCosmetic);
    text = CutUtf8(text, limits_.stored_text_bytes);
  }
  return text;
}

// An array, one string, or an array inside a string.
void TlsReader::AppendList(const json& value, const Place& place, std::vector<std::string>& list) {
  if (value.is_null()) return;
  if (list.size() >= limits_.strings) {
    log_.Add("list_cut", place.ToText(), "", "", Effect::kCosmetic);
    return;
  }
  if (std::string text = Text(value, place); !text.empty()) list.push_back(std::move(text));
}

std::vector<std::string> TlsReader::TextList(const json& value, const Place& place) {
  std::vector<std::string> list;
  const json* source = &value;
  json inner;
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    const JsonBounds bounds = FindJsonBounds(text, limits_.json_depth);
    if (TrimAscii(text).starts_with('[') && !bounds.too_deep) {
      inner = ParseJsonTree(text, &values_left_).root;
      if (inner.is_array()) {
        log_.Add("json_in_text", place.ToText(), text, "", Effect::kCosmetic);
        source = &inner;
      }
    }
  }
  if (!source->is_array()) {
    AppendList(*source, place, list);
    return list;
  }
  for (const json& element : *source) {
    AppendList(element, place, list);
    if (list.size() >= limits_.strings) break;
  }
  if (source->size() > limits_.strings) {
    log_.Add("list_cut", place.ToText(), "", fmt::format("{}", limits_.strings), Effect::kCosmetic);
  }
  return list;
}

// Absent counts are 0; a number in a string is one.
uint64_t TlsReader::Count(const json& value, const Place& place) {
  if (value.is_null()) return 0;
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  const std::string text = Text(value, place);
  const CountText count = ReadCountText(text);
  const bool readable = count.form == CountForm::kPlain || count.form == CountForm::kFolded;
  if (!value.is_string() || count.form != CountForm::kPlain) {
    log_.Add(readable ? "count_folded" : "count_invalid", place.ToText(), text,
             fmt::format("{}", count.value), Effect::kMaterial);
  } else {
    log_.Add("count_text", place.ToText(), text, text, Effect::kCosmetic);
  }
  return count.value;
}

void TlsReader::ReadDates(const json& range) {
  const auto read = [&](std::string_view name, std::string& text, int64_t& seconds) {
    const Place place{"date-range", name};
    const std::string path = place.ToText();
    text = Text(Member(range, name), place);
    const auto value = ReadDateText(text);
    // Not the norm here, but as clear: seconds since 1970.
    const auto number = value.has_value() ? std::nullopt : ReadDate(text, DateEdge::kBegin);
    if (number.has_value()) log_.Add("date_number", path, text, "", Effect::kMaterial);
    if (!value.has_value() && !number.has_value()) {
      log_.Add("date_missing", path, text, "", Effect::kMaterial);
    }
    seconds = value.has_value() ? *value : number.has_value() ? number->seconds : 0;
  };
  read("start-datetime", report_.begin_text, report_.begin);
  read("end-datetime", report_.end_text, report_.end);
  if (report_.begin > report_.end && report_.end != 0) {
    std::swap(report_.begin, report_.end);
    log_.Add("date_swapped", "date-range", report_.begin_text + ".." + report_.end_text, "",
             Effect::kMaterial);
  }
}

bool TlsReader::TakeBytes(int64_t bytes) {
  model_bytes_ += bytes;
  if (model_bytes_ <= limits_.model_bytes) return true;
  stopped_by_ = "model_too_large";
  return false;
}

bool TlsReader::TakeFailure(const json& entry, int ordinal) {
  if (failure_details_ > limits_.failure_details) return true;
  if (failures_place_.ordinal != ordinal) {
    failures_place_ = {ordinal, fmt::format("policies[{}]/failure-details", ordinal)};
  }
  const std::string& path = failures_place_.path;
  if (++failure_details_ > limits_.failure_details) {
    log_.Add("failure_details_cut", path, "", fmt::format("{}", limits_.failure_details),
             Effect::kMaterial);
    return true;
  }
  if (!entry.is_object()) {
    log_.Add("failure_detail_unreadable", path, entry.type_name(), "", Effect::kMaterial);
    return true;
  }
  TlsReport::FailureDetail& detail = failures_.emplace_back();
  detail.result_type = AsciiLower(Text(Member(entry, "result-type"), {path, "result-type"}));
  detail.sending_mta_ip = Text(Member(entry, "sending-mta-ip"), {path, "sending-mta-ip"});
  detail.receiving_mx_hostname =
      Text(Member(entry, "receiving-mx-hostname"), {path, "receiving-mx-hostname"});
  detail.receiving_ip = Text(Member(entry, "receiving-ip"), {path, "receiving-ip"});
  detail.receiving_mx_helo = Text(Member(entry, "receiving-mx-helo"), {path, "receiving-mx-helo"});
  const json& information = Member(entry, "additional-information");
  detail.additional_information =
      Text(information.is_null() ? Member(entry, "additional-info-uri") : information,
           {path, "additional-information"});
  detail.reason_code = Text(Member(entry, "failure-reason-code"), {path, "failure-reason-code"});
  detail.failed_sessions =
      Count(Member(entry, "failed-session-count"), {path, "failed-session-count"});
  return TakeBytes(ModelBytes(detail));
}

TlsReport::PolicyResult TlsReader::ReadPolicyResult(const json& entry, const std::string& path) {
  TlsReport::PolicyResult result;
  const json& policy = Member(entry, "policy");
  if (!policy.is_object()) log_.Add("policy_missing", path + "/policy", "", "", Effect::kMaterial);
  result.policy_type = AsciiLower(Text(Member(policy, "policy-type"), {path, "policy-type"}));
  result.policy_domain = Text(Member(policy, "policy-domain"), {path, "policy-domain"});
  if (policy.is_object() && result.policy_domain.empty()) {
    log_.Add("policy_domain_missing", path + "/policy-domain", "", "", Effect::kMaterial);
  }
  result.policy_strings = TextList(Member(policy, "policy-string"), {path, "policy-string"});
  const json& hosts = Member(policy, "mx-host");
  result.mx_hosts =
      TextList(hosts.is_null() ? Member(policy, "mx-host-pattern") : hosts, {path, "mx-host"});
  for (std::string& host : result.mx_hosts) {  // a line of the policy instead of its value
    if (StartsWithIgnoreCase(host, "mx:")) host = TrimAscii(std::string_view(host).substr(3));
  }
  const json& summary = Member(entry, "summary");
  result.successful_sessions = Count(Member(summary, "total-successful-session-count"),
                                     {path, "total-successful-session-count"});
  result.failed_sessions =
      Count(Member(summary, "total-failure-session-count"), {path, "total-failure-session-count"});
  const json& single = Member(entry, "failure-details");
  if (single.is_object()) TakeFailure(single, ordinal_);
  result.failures = std::exchange(failures_, {});
  return result;
}

bool TlsReader::TakePolicyResult(const json& entry) {
  const std::string path = fmt::format("policies[{}]", ++ordinal_);
  if (static_cast<size_t>(ordinal_) > limits_.policies) {
    stopped_by_ = "too_many_policies";
    return false;
  }
  if (!entry.is_object()) {
    log_.Add("policy_unreadable", path, entry.type_name(), "", Effect::kMaterial);
    return true;
  }
  report_.policies.push_back(ReadPolicyResult(entry, path));
  report_.policies.back().ordinal = ordinal_;
  // Its failures are counted already.
  return TakeBytes(ModelBytes(report_.policies.back(), FailureDetails::kLeftOut));
}

bool TlsReader::ReadReport(const json& root) {
  // What makes it a TLS report and no other JSON: at least two of the words only it has.
  int known = 0;
  for (const char* name : {"organization-name", "date-range", "report-id", "policies"}) {
    known += root.contains(name) ? 1 : 0;
  }
  if (known < 2) return false;
  report_.organization_name = Text(Member(root, "organization-name"), {"", "organization-name"});
  report_.report_id = Text(Member(root, "report-id"), {"", "report-id"});
  report_.contact_info = Text(Member(root, "contact-info"), {"", "contact-info"});
  ReadDates(Member(root, "date-range"));
  const json& policies = Member(root, "policies");
  if (!policies.is_array() && !policies.is_null()) {
    log_.Add("policies_unreadable", "policies", policies.type_name(), "", Effect::kMaterial);
  }
  return true;
}

ParsedTlsReport TlsReader::RefusedText(const JsonStreamResult& read, const JsonBounds& bounds) {
  if (read.too_many_values) {
    return Refused(Outcome::kOverLimit, "too_many_values",
                   fmt::format("over {} JSON values, or over {} members in one object",
                               limits_.json_values, kMembers));
  }
  if (read.has_repeated_key) {
    return Refused(
        Outcome::kQuarantined, "json_duplicate_key",
        fmt::format("\"{}\" stands twice in one object: which one counts is anybody's guess",
                    read.repeated_key));
  }
  if (stopped_by_ == "too_many_policies") {
    return Refused(Outcome::kOverLimit, stopped_by_,
                   fmt::format("over {} policies", limits_.policies));
  }
  if (read.stopped) {
    return Refused(
        Outcome::kOverLimit, stopped_by_,
        fmt::format("what it says takes more than {} bytes in memory", limits_.model_bytes));
  }
  return Refused(Outcome::kQuarantined, "json_not_well_formed",
                 bounds.closed
                     ? "syntax error inside the object"
                     : fmt::format("the object is not closed within {} bytes", bounds.end));
}

ParsedTlsReport TlsReader::Read(std::string_view document) {
  const std::string_view text = WithoutMark(document);
  if (text.empty()) return Refused(Outcome::kQuarantined, "empty_payload", "no bytes");
  if (!text.starts_with('{')) {
    return Refused(Outcome::kNotAReport, "not_a_tls_report", "no JSON object");
  }
  if (text.size() > limits_.document_bytes) {
    return Refused(Outcome::kOverLimit, "document_too_large",
                   fmt::format("{} bytes of JSON, limit {}", text.size(), limits_.document_bytes));
  }
  const JsonBounds bounds = FindJsonBounds(text, limits_.json_depth);
  if (bounds.too_deep) {
    return Refused(Outcome::kOverLimit, "json_too_deep",
                   fmt::format("nested deeper than {} at byte {}", limits_.json_depth, bounds.end));
  }
  if (bounds.longest_word > kWordBytes) {
    return Refused(
        Outcome::kQuarantined, "json_not_well_formed",
        fmt::format("a number or word of {} bytes, limit {}", bounds.longest_word, kWordBytes));
  }
  std::string_view source = text.substr(0, bounds.end);
  if (bounds.end < text.size()) {
    log_.Add("trailing_garbage", "", text.substr(bounds.end), "", Effect::kCosmetic);
  }
  std::string room;
  if (!IsValidUtf8(source)) {
    room = ToValidUtf8(source);
    source = room;
    log_.Add("bad_bytes", "", "", "U+FFFD", Effect::kCosmetic);
  }
  if (bounds.longest_string > kStringBytes) {
    room = ShortenJsonStrings(source, kStringBytes);
    source = room;
  }
  const JsonStreamResult read = ReadJsonStream(
      source, kReport,
      {.values = &values_left_, .members = kMembers, .kept_elements = limits_.strings + 1},
      [this](const JsonShape& list, const json& entry) {
        if (&list == &kResults) return TakePolicyResult(entry);
        return TakeFailure(entry, ordinal_ + 1);
      });
  if (!read.root.is_object()) return RefusedText(read, bounds);
  const json& root = read.root;
  if (!ReadReport(root)) {
    return Refused(Outcome::kNotAReport, "not_a_tls_report",
                   "the object has none of the members of RFC 8460");
  }
  ParsedTlsReport result;
  result.outcome = log_.outcome();
  result.report = std::move(report_);
  result.repairs_dropped = log_.dropped();
  result.repairs = log_.Take();
  return result;
}

}  // namespace

bool LooksLikeTlsReport(std::string_view text) { return WithoutMark(text).starts_with('{'); }

ParsedTlsReport ParseTlsReport(std::string_view document, const TlsLimits& limits) {
  return TlsReader(limits).Read(document);
}

}  // namespace dmarcate
