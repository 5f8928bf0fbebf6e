#include "cli/source_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string StateText(v1::Source::State state) {
  return EnumText(v1::Source::State_Name(state), "STATE_");
}

std::string PreviewText(std::string_view title, const v1::ChangePreview& preview) {
  std::string out = fmt::format("{}: {} of 10 look-ups now, {} then\n", title,
                                preview.lookups_before(), preview.lookups_after());
  if (preview.before() == preview.after()) return out + "  no change to SPF\n";
  out += fmt::format("  - {}\n  + {}\n", EscapeForTerminal(preview.before()),
                     EscapeForTerminal(preview.after()));
  return out;
}

// "93 of 100 (95 %: 86.1 to 97.1 %)", or "no mail".
std::string BoundsText(const v1::RateBounds& rate) {
  if (rate.total() == 0) return "no mail";
  return fmt::format("{} of {} (95 %: {:.1f} to {:.1f} %)", FormatCount(rate.count()),
                     FormatCount(rate.total()), 100 * rate.lower(), 100 * rate.upper());
}

std::string AnchorsText(const v1::ExplainSourceResponse& response) {
  if (response.anchors().empty()) return "anchors: none has seen it\n";
  std::string out = "anchors:\n";
  for (const v1::AnchorVoice& anchor : response.anchors()) {
    const v1::MessageCounts& counts = anchor.counts();
    out += fmt::format(
        "  {}: {} from {} to {}, DKIM aligned {}, SPF aligned {}, proving who it is {}\n",
        EscapeForTerminal(anchor.reporter()), Counted(counts.message_count(), "message"),
        Text(anchor.first_seen_date()), Text(anchor.last_seen_date()),
        FormatRate(counts.dkim_aligned_count(), counts.message_count()),
        FormatRate(counts.spf_aligned_count(), counts.message_count()),
        FormatCount(anchor.proved_count()));
  }
  return out;
}

// Nothing to say where all of it comes as the domain itself.
std::string HeaderFromText(const v1::ExplainSourceResponse& response) {
  const auto& all = response.header_froms();
  const auto is_the_domain = [&response](const v1::HeaderFromCounts& from) {
    return response.source().name().starts_with(fmt::format("domains/{}/", from.header_from()));
  };
  if (std::ranges::all_of(all, is_the_domain)) return "";
  std::string out = "by the name in From:\n";
  for (const v1::HeaderFromCounts& from : all) {
    out += fmt::format("  {}: {}, pass DMARC {}\n", EscapeForTerminal(from.header_from()),
                       Counted(from.counts().message_count(), "message"),
                       FormatRate(from.counts().dmarc_pass_count(), from.counts().message_count()));
  }
  return out;
}

std::string TermsText(const v1::ExplainSourceResponse& response) {
  if (response.spf_terms().empty()) return "";
  std::string out = "terms of the SPF record, by what of the reported mail each lets through:\n";
  for (const v1::SpfTermTraffic& term : response.spf_terms()) {
    out += fmt::format("  {}: {} of this source, {} of all{}\n", EscapeForTerminal(term.term()),
                       FormatCount(term.message_count()), FormatCount(term.domain_message_count()),
                       term.domain_message_count() > 0 ? ""
                       : term.complete()               ? ": it carries no traffic"
                                                       : "; not all it lets through is known");
  }
  return out;
}

}  // namespace

Table SourceTable(const google::protobuf::RepeatedPtrField<v1::Source>& sources) {
  std::vector<Column> columns = {{"SOURCE"}, {"STATE"}, {"KIND"}};
  for (Column& column : CountColumns()) columns.push_back(std::move(column));
  columns.push_back({"ADDRESSES", Align::kRight});
  columns.push_back({"REPORTERS", Align::kRight, true});
  columns.push_back({"EVIDENCE", Align::kLeft, true});
  columns.push_back({"SPF_TERM", Align::kLeft, true});
  columns.push_back({"SUGGESTED", Align::kLeft, true});
  columns.push_back({"DECLARED", Align::kLeft, true});
  columns.push_back({"LAST_SEEN"});
  Table table(std::move(columns));
  for (const v1::Source& source : sources) {
    std::vector<Cell> cells = {std::string(LastSegment(source.name())), StateText(source.state()),
                               EnumText(v1::Source::Kind_Name(source.kind()), "KIND_")};
    AppendCounts(source.stats().counts(), &cells);
    cells.push_back(std::to_string(source.stats().address_count()));
    cells.push_back(std::to_string(source.stats().reporter_count()));
    cells.push_back(
        fmt::format("{}={}", EnumText(v1::Identity::Kind_Name(source.identity().kind()), "KIND_"),
                    source.identity().value()));
    cells.push_back(source.proposed_spf_term());
    cells.push_back(source.suggested() ? "yes" : "no");
    std::vector<std::string> declared;
    for (const v1::SourceDeclaration& declaration : source.declarations()) {
      declared.push_back(declaration.value());
    }
    cells.push_back(Join(declared, ", "));
    cells.push_back(Text(source.last_seen_date()));
    table.Add(source.name(), std::move(cells));
  }
  return table;
}

Table OneSource(const v1::Source& source) {
  google::protobuf::RepeatedPtrField<v1::Source> one;
  *one.Add() = source;
  return SourceTable(one);
}

Table AddressTable(const v1::ListSourceAddressesResponse& response) {
  std::vector<Column> columns = {{"ADDRESS"}};
  for (Column& column : CountColumns()) columns.push_back(std::move(column));
  columns.push_back({"REPORTERS", Align::kLeft, true});
  columns.push_back({"FIRST_SEEN", Align::kLeft, true});
  columns.push_back({"LAST_SEEN"});
  Table table(std::move(columns));
  for (const v1::SourceAddress& address : response.addresses()) {
    std::vector<Cell> cells = {address.address().empty() ? "(none)" : address.address()};
    AppendCounts(address.counts(), &cells);
    cells.push_back(Join({address.reporters().begin(), address.reporters().end()}, " "));
    cells.push_back(Text(address.first_seen_date()));
    cells.push_back(Text(address.last_seen_date()));
    table.Add(address.address(), std::move(cells));
  }
  return table;
}

Table SourceChangeTable(const v1::CompareSourcesResponse& response) {
  Table table({{"NEWS"},
               {"SOURCE"},
               {"BEFORE", Align::kRight},
               {"AFTER", Align::kRight},
               {"PASS_BEFORE", Align::kRight},
               {"PASS_AFTER", Align::kRight},
               {"WHAT"}});
  for (const v1::SourceChange& change : response.changes()) {
    const v1::MessageCounts &before = change.before(), &after = change.after();
    table.Add(change.name(),
              {EnumText(v1::SourceChange::Kind_Name(change.kind()), "KIND_"),
               std::string(LastSegment(change.name())), CountCell(before.message_count()),
               CountCell(after.message_count()),
               RateCell(before.dmarc_pass_count(), before.message_count()),
               RateCell(after.dmarc_pass_count(), after.message_count()), change.sentence()});
  }
  return table;
}

Table GroupingTable(const google::protobuf::RepeatedPtrField<v1::SourceGrouping>& groupings) {
  Table table({{"SOURCE"}, {"INTO"}, {"RANGES"}, {"BY"}, {"TIME"}, {"NOTE", Align::kLeft, true}});
  for (const v1::SourceGrouping& grouping : groupings) {
    const std::string ranges = Join({grouping.ranges().begin(), grouping.ranges().end()}, " ");
    table.Add(grouping.source(),
              {std::string(LastSegment(grouping.source())),
               std::string(LastSegment(grouping.into())), ranges.empty() ? "all" : ranges,
               grouping.decided_by(), Text(grouping.decide_time()), grouping.note()});
  }
  return table;
}

Table EvidenceTable(const v1::ExplainSourceResponse& response) {
  Table table({{"VERDICT"}, {"CLAIM"}, {"CHECKED_AGAINST"}, {"MESSAGES", Align::kRight}});
  for (const v1::EvidenceItem& item : response.evidence()) {
    table.Add(response.source().name(), {item.verdict(), item.claim(), item.checked_against(),
                                         CountCell(item.message_count())});
  }
  return table;
}

std::string ExplainText(const v1::ExplainSourceResponse& response) {
  std::string out = OneSource(response.source()).Render(Format::kTable);
  if (response.source().suggested()) {
    out += fmt::format("\nsuggested: {}\n", response.source().suggestion_reason());
  } else if (!response.source().suggestion_reason().empty()) {
    out += fmt::format("\nnot suggested: {}\n", response.source().suggestion_reason());
  }
  const v1::SourceStats& stats = response.source().stats();
  out += fmt::format("\npass DMARC: {}\nDKIM aligned: {}\nSPF aligned: {}\n",
                     BoundsText(stats.dmarc_pass_rate()), BoundsText(stats.dkim_aligned_rate()),
                     BoundsText(stats.spf_aligned_rate()));
  out += "\nwhy:\n";
  if (!response.source().kind_reason().empty()) {
    out += fmt::format("  {}: {}\n",
                       EnumText(v1::Source::Kind_Name(response.source().kind()), "KIND_"),
                       EscapeForTerminal(response.source().kind_reason()));
  }
  for (const auto& item : response.evidence()) {
    out += fmt::format("  {:<11} {} [{}]\n", item.verdict(), EscapeForTerminal(item.claim()),
                       EscapeForTerminal(item.checked_against()));
  }
  out += AnchorsText(response);
  out += HeaderFromText(response);
  for (const auto& warning : response.warnings()) out += fmt::format("warning: {}\n", warning);
  out += fmt::format("\nadvice: {}\n", EscapeForTerminal(response.advice()));
  if (response.has_if_approved()) out += PreviewText("if approved", response.if_approved());
  if (response.has_if_rejected()) out += PreviewText("if rejected", response.if_rejected());
  if (!response.preview_error().empty()) {
    out += fmt::format("no preview: {}\n", EscapeForTerminal(response.preview_error()));
  }
  out += fmt::format("p=reject would have refused {} of its {} messages\n",
                     FormatCount(response.would_be_refused_count()),
                     FormatCount(response.source().stats().counts().message_count()));
  out +=
      fmt::format("{} of them pass by SPF alone: rejected and taken out of SPF, they would fail\n",
                  FormatCount(response.spf_only_count()));
  out += TermsText(response);
  return out;
}

}  // namespace dmarcate::cli
