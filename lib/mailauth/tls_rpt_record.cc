#include "lib/mailauth/tls_rpt_record.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/chars.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kVersion = "v=TLSRPTv1";
constexpr std::string_view kSection = "RFC 8460 section 3";
constexpr size_t kMaxAddresses = 100;  // a record of 64 KiB could name thousands

absl::Status ReadAddresses(const RecordField& field, std::vector<TlsRptAddress>& out) {
  auto position = static_cast<size_t>(field.value_position);
  for (const std::string_view item : Split(field.value, ',')) {
    const std::string_view trimmed = TrimBlanks(item);
    const size_t begin = position + static_cast<size_t>(trimmed.data() - item.data());
    position += item.size() + 1;
    if (out.size() == kMaxAddresses) {
      return SyntaxError(begin, fmt::format("more than {} report addresses", kMaxAddresses));
    }
    // In DMARC a size limit may follow "!"; here that is part of nothing.
    if (trimmed.find('!') != std::string_view::npos) {
      return SyntaxError(begin,
                         fmt::format("{}: '!' must be percent-encoded, there is no size limit here",
                                     Quoted(trimmed)));
    }
    auto uri = ParseUri(trimmed);
    if (!uri.ok()) return SyntaxError(begin, MessageOf(uri.status()));
    out.push_back({*std::move(uri), static_cast<int>(begin)});
  }
  return absl::OkStatus();
}

}  // namespace

bool TlsRptAddress::usable() const {
  return (uri.scheme == "mailto" && !uri.mailbox.empty()) ||
         (uri.scheme == "https" && !uri.host.empty());
}

absl::StatusOr<TlsRptRecord> ParseTlsRpt(std::string_view text) {
  TlsRptRecord record;
  DMARCATE_ASSIGN_OR_RETURN(record.list, ParseFieldList(text, kVersion));
  for (const RecordField& field : record.list.fields) {
    if (field.name == "rua") {
      DMARCATE_RETURN_IF_ERROR(ReadAddresses(field, record.rua));
    } else if (!IsExtensionValue(field.value)) {
      return SyntaxError(static_cast<size_t>(field.position),
                         fmt::format("field {} has a blank or '=' in its value", field.name));
    }
  }
  if (record.rua.empty()) return SyntaxError(text.size(), "there is no rua");
  return record;
}

RecordSelection SelectTlsRpt(const std::vector<std::string>& records) {
  return SelectByVersion(records, kVersion);
}

std::vector<LintFinding> LintTlsRpt(const TlsRptRecord& record, std::string_view path) {
  FindingList findings(path);
  LintFieldList(record.list, kVersion, {"rua"},
                {lint_code::kTlsRptSyntax, lint_code::kTlsRptUnknownField, kSection}, findings);
  const bool heard = std::ranges::any_of(record.rua, &TlsRptAddress::usable);
  for (const TlsRptAddress& address : record.rua) {
    if (address.usable()) continue;
    const bool known = address.uri.scheme == "mailto" || address.uri.scheme == "https";
    findings.Add(lint_code::kTlsRptBadAddress, heard ? Severity::kWarning : Severity::kError, "rua",
                 address.position,
                 known ? fmt::format("{} names no {}", Quoted(address.uri.text),
                                     address.uri.scheme == "mailto" ? "mailbox" : "server")
                       : fmt::format("senders report by mailto: and https:, not by {}:",
                                     EscapeForTerminal(address.uri.scheme)),
                 "Write rua=mailto: and your report address.", kSection);
  }
  const auto is_rua = [](const RecordField& field) { return field.name == "rua"; };
  if (std::ranges::count_if(record.list.fields, is_rua) > 1) {
    const auto& fields = record.list.fields;
    const auto first = std::ranges::find_if(fields, is_rua);
    const auto second = std::ranges::find_if(first + 1, fields.end(), is_rua);
    findings.Add(lint_code::kTlsRptDuplicateField, Severity::kWarning, "rua", second->position,
                 "there are several rua fields, of which a sender may read only one",
                 "Write one rua with commas between the addresses.", kSection);
  }
  return findings.Take();
}

}  // namespace dmarcate
