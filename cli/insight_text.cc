#include "cli/insight_text.h"

#include <algorithm>
#include <string_view>

#include "fmt/format.h"

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string SeverityText(v1::Severity severity) {
  return EnumText(v1::Severity_Name(severity), "SEVERITY_");
}
std::string StateText(v1::Insight::State state) {
  return EnumText(v1::Insight::State_Name(state), "STATE_");
}

// "domains/example.com/insights/x" to "example.com".
std::string DomainOf(std::string_view name) {
  const auto parts = Split(name, '/');
  return parts.size() < 2 ? std::string() : std::string(parts[1]);
}

std::string DecisionText(const v1::InsightDecision& decision) {
  std::string out =
      fmt::format("{} by {} at {}", StateText(decision.state()),
                  EscapeForTerminal(decision.decided_by()), Text(decision.decide_time()));
  if (!decision.note().empty()) out += fmt::format(": {}", EscapeForTerminal(decision.note()));
  return out;
}

// `left_out`: how many there are beside `names`.
std::string Names(const google::protobuf::RepeatedPtrField<std::string>& names, int left_out) {
  constexpr int kShown = 3;
  std::string out;
  for (int i = 0; i < names.size() && i < kShown; ++i) out += (i > 0 ? ", " : "") + names[i];
  const int more = std::max(names.size() - kShown, 0) + left_out;
  if (more > 0) out += fmt::format(" and {} more", more);
  return out;
}

}  // namespace

std::string InsightsText(const v1::ListInsightsResponse& response) {
  std::string out, domain;
  for (const v1::Insight& insight : response.insights()) {
    if (const std::string its = DomainOf(insight.name()); its != domain) {
      out += fmt::format("{}{}\n", out.empty() ? "" : "\n", EscapeForTerminal(its));
      domain = its;
    }
    const std::string state = insight.state() == v1::Insight::STATE_ACTIVE
                                  ? ""
                                  : fmt::format(" ({})", StateText(insight.state()));
    out += fmt::format("  {:<7} {}{}: {}\n", SeverityText(insight.severity()), insight.code(),
                       state, EscapeForTerminal(insight.message()));
    if (insight.subject() != domain) {
      out += fmt::format("          at      {}\n", EscapeForTerminal(insight.subject()));
    }
    out += fmt::format("          since   {}\n", Text(insight.first_seen_time()));
    if (insight.state() == v1::Insight::STATE_RESOLVED) {
      out += fmt::format("          gone    {}\n", Text(insight.resolve_time()));
    } else if (!insight.fix_hint().empty()) {
      out += fmt::format("          fix     {}\n", EscapeForTerminal(insight.fix_hint()));
    }
    out += fmt::format("          see     {}\n", EscapeForTerminal(insight.evidence_command()));
    if (insight.has_decision()) {
      out += fmt::format("          said    {}\n", DecisionText(insight.decision()));
    }
    out += fmt::format("          id      {}\n", LastSegment(insight.name()));
  }
  return out.empty() ? "no insights\n" : out;
}

std::string InsightText(const v1::Insight& insight) {
  std::string out = fmt::format("{} {} ({})\n", SeverityText(insight.severity()), insight.code(),
                                StateText(insight.state()));
  const auto line = [&out](std::string_view name, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<11} {}\n", name, EscapeForTerminal(text));
  };
  line("what", insight.message());
  line("at", insight.subject());
  line("path", insight.path());
  line("fix", insight.fix_hint());
  line("see", insight.evidence_command());
  line("reference", insight.reference());
  line("first seen", Text(insight.first_seen_time()));
  line("last seen", Text(insight.last_seen_time()));
  if (insight.has_resolve_time()) line("resolved", Text(insight.resolve_time()));
  if (insight.active_count() > 1) line("came", fmt::format("{} times", insight.active_count()));
  if (insight.has_decision())
    out += fmt::format("  {:<11} {}\n", "said", DecisionText(insight.decision()));
  line("name", insight.name());
  line("etag", insight.etag());
  return out;
}

Table InsightTable(const google::protobuf::RepeatedPtrField<v1::Insight>& insights) {
  Table table({{"DOMAIN"},
               {"INSIGHT"},
               {"SEVERITY"},
               {"STATE"},
               {"CODE"},
               {"SUBJECT"},
               {"FIRST_SEEN"},
               {"LAST_SEEN"},
               {"MESSAGE"}});
  for (const v1::Insight& insight : insights) {
    table.Add(insight.name(), {DomainOf(insight.name()), std::string(LastSegment(insight.name())),
                               SeverityText(insight.severity()), StateText(insight.state()),
                               insight.code(), insight.subject(), Text(insight.first_seen_time()),
                               Text(insight.last_seen_time()), insight.message()});
  }
  return table;
}

std::vector<std::string> UnknownLines(const v1::ListInsightsResponse& response) {
  std::vector<std::string> out;
  for (const v1::InsightUnknown& unknown : response.unknown()) {
    const std::string_view domain = LastSegment(unknown.domain());
    if (unknown.unreadable()) {
      out.push_back(fmt::format(
          "{}: what is kept about the last look cannot be read; the next one writes it anew",
          domain));
      continue;
    }
    if (!unknown.has_look_time()) {
      out.push_back(fmt::format(
          "{}: nobody has looked yet, or watch.interval in policyd's configuration is 0s", domain));
      continue;
    }
    if (unknown.stale()) {
      out.push_back(
          fmt::format("{}: nobody has looked since {}", domain, Text(unknown.look_time())));
    }
    if (!unknown.names().empty()) {
      out.push_back(fmt::format("{}: nothing could be learned at {}", domain,
                                Names(unknown.names(), unknown.names_left_out_count())));
    }
    if (unknown.left_out_count() > 0) {
      out.push_back(
          fmt::format("{}: {} more were found than are kept", domain, unknown.left_out_count()));
    }
  }
  if (response.unknown_left_out() > 0) {
    out.push_back(fmt::format("{} more domains of which not everything is known",
                              response.unknown_left_out()));
  }
  return out;
}

bool NothingIsKnown(const v1::ListInsightsResponse& response) {
  return std::ranges::any_of(response.unknown(), [](const v1::InsightUnknown& unknown) {
    return !unknown.has_look_time() || unknown.stale();
  });
}

}  // namespace dmarcate::cli
