#include "policyd/plan/export/plan_export.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {
namespace {

// One RRset as it is to be.
struct Entry {
  std::string zone, owner;
  std::string relative;                   // owner below the zone; empty: its apex
  std::vector<std::string> presentation;  // empty: no TXT record at that name any more
  std::vector<std::string> texts;         // the same, joined
  uint32_t ttl = 0;
};

absl::StatusOr<Entry> EntryOf(const RecordChangeRecord& record) {
  const absl::StatusOr<DomainName> zone = DomainName::Parse(record.zone);
  const absl::StatusOr<DomainName> owner = DomainName::Parse(record.owner_name);
  if (!zone.ok() || !owner.ok() || !owner->IsAtOrBelow(*zone)) {
    return MakeError(absl::StatusCode::kDataLoss, "stored change: a name does not parse");
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> after, FromPresentations(record.after));
  Entry entry{zone->text(),           owner->text(),  "",
              ToPresentations(after), TextsOf(after), record.ttl_after};
  if (*owner != *zone) {
    entry.relative = entry.owner.substr(0, entry.owner.size() - entry.zone.size() - 1);
  }
  return entry;
}

absl::Status CannotCarry(const Entry& entry, std::string_view format, std::string_view what) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      fmt::format("TXT at {}: {} cannot carry {}; export it as bind", entry.owner, format, what));
}

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Comments are single lines of our own words, names and hex digits.
std::string Head(std::string_view mark, const ChangeRecord& change) {
  return fmt::format(
      "{0} Dmarcate: domains/{1}/changes/{2}\n{0} plan {3}\n{0} Each entry is the "
      "whole TXT RRset of its name, as it is to be.\n",
      mark, change.domain, change.id, change.plan_digest);
}

std::string Gone(std::string_view mark, const Entry& entry) {
  return fmt::format("{} remove every TXT record at {}\n", mark, entry.owner);
}

// A name in a zone file, where these octets mean something (RFC 1035 section 5.1).
std::string ZoneFileName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::string_view("\"();@$\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out + '.';
}

absl::StatusOr<std::string> Bind(const Entry& entry) {
  if (entry.presentation.empty()) return Gone(";", entry);
  std::string out = fmt::format("; zone {}\n", entry.zone);
  for (const std::string& record : entry.presentation) {
    out += fmt::format("{} {} IN TXT {}\n", ZoneFileName(entry.owner), entry.ttl, record);
  }
  return out;
}

// A string literal of JavaScript, and of JSON.
std::string JsString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

absl::StatusOr<std::string> Dnscontrol(const Entry& entry) {
  if (entry.presentation.empty()) return Gone("//", entry);
  std::string out = fmt::format("D_EXTEND({}", JsString(entry.zone));
  for (const std::string& text : entry.texts) {
    if (!IsPrintable(text)) return CannotCarry(entry, "dnscontrol", "octets outside of ASCII");
    out += fmt::format(",\n  TXT({}, {}, TTL({}))",
                       JsString(entry.relative.empty() ? "@" : entry.relative), JsString(text),
                       entry.ttl);
  }
  return out + "\n);\n";
}

// Single quotes: nothing but the quote itself is special.
std::string YamlString(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + '\'';
}

absl::StatusOr<std::string> Octodns(const Entry& entry) {
  if (entry.presentation.empty()) return Gone("#", entry);
  std::string out = fmt::format("# {}.yaml\n{}:\n  ttl: {}\n  type: TXT\n  values:\n", entry.zone,
                                YamlString(entry.relative), entry.ttl);
  for (const std::string& text : entry.texts) {
    if (!IsPrintable(text)) return CannotCarry(entry, "octodns", "octets outside of ASCII");
    // It takes a quote at the start for the quotes of a zone file, and `" "` for a cut.
    if (text.find('\\') != std::string::npos || text.starts_with('"') ||
        text.find("\" \"") != std::string::npos) {
      return CannotCarry(entry, "octodns", "this backslash or quote");
    }
    std::string escaped;
    for (const char c : text) {
      if (c == ';') escaped += '\\';
      escaped += c;
    }
    out += fmt::format("  - {}\n", YamlString(escaped));
  }
  return out;
}

std::string HclString(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool opens = i + 1 < text.size() && text[i + 1] == '{';
    if (c == '"' || c == '\\') out += '\\';
    if ((c == '$' || c == '%') && opens) out += c;
    out += c;
  }
  return out + '"';
}

absl::StatusOr<std::string> Terraform(const Entry& entry) {
  if (entry.presentation.empty()) return Gone("    #", entry);
  std::string out = fmt::format(
      "    {} = {{\n      zone = {}\n      name = {}\n      ttl  = {}\n      values = [\n",
      HclString(entry.owner), HclString(entry.zone), HclString(entry.relative), entry.ttl);
  for (const std::string& text : entry.texts) {
    if (!IsPrintable(text)) return CannotCarry(entry, "terraform", "octets outside of ASCII");
    out += fmt::format("        {},\n", HclString(text));
  }
  return out + "      ]\n    }\n";
}

}  // namespace

absl::StatusOr<std::string> ExportPlan(const ChangeRecord& change, ExportFormat format) {
  std::string body;
  for (const RecordChangeRecord& record : change.record_changes) {
    DMARCATE_ASSIGN_OR_RETURN(const Entry entry, EntryOf(record));
    absl::StatusOr<std::string> one = "";
    switch (format) {
      case ExportFormat::kBind:
        one = Bind(entry);
        break;
      case ExportFormat::kDnscontrol:
        one = Dnscontrol(entry);
        break;
      case ExportFormat::kOctodns:
        one = Octodns(entry);
        break;
      case ExportFormat::kTerraform:
        one = Terraform(entry);
        break;
    }
    if (!one.ok()) return one.status();
    body += *one;
  }
  switch (format) {
    case ExportFormat::kBind:
      return Head(";", change) + body;
    case ExportFormat::kDnscontrol:
      return Head("//", change) + body;
    case ExportFormat::kOctodns:
      return Head("#", change) + body;
    case ExportFormat::kTerraform:
      return Head("#", change) +
             "# Use it as for_each of the TXT resource of your DNS host's provider.\nlocals {\n"
             "  dmarcate_txt = {\n" +
             body + "  }\n}\n";
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "no such format");
}

}  // namespace dmarcate
