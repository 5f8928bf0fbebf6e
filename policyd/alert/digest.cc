#include "policyd/alert/digest.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/base/time.h"
#include "policyd/alert/text.h"
#include "policyd/analysis/trusted.h"

namespace dmarcate {
namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};

std::string Days(const DayRange& week) {
  return fmt::format("{} to {}", FormatDay(week.first), FormatDay(week.last));
}

// "1204 messages, 1180 pass (between 96.9 and 98.7 %)": the interval says what the number is worth.
std::string Passing(const Counts& counts) {
  if (counts.messages == 0) return "no mail";
  const Rate rate = RateOf(counts.dmarc_pass, counts.messages);
  return fmt::format("{} messages, {} pass (between {:.1f} and {:.1f} %)", counts.messages,
                     counts.dmarc_pass, rate.lower * 100, rate.upper * 100);
}

// What is said beside the week's numbers; begins with "; ", or is empty.
std::string Claimed(const DigestDomain& domain) {
  if (domain.only_claimed) return "; only reporters that are no anchors say so";
  if (domain.claimed == 0) return "";
  return fmt::format("; reporters that are no anchors claim {} more", domain.claimed);
}

Severity Worst(const DigestDomain& domain) {
  Severity worst = Severity::kInfo;
  for (const InsightRecord& insight : domain.open) worst = std::max(worst, insight.severity);
  return worst;
}

auto Order(const DigestDomain& domain) {
  return std::tuple(Worst(domain), domain.open.size() + domain.open_left_out, domain.now.messages);
}

std::string More(size_t count) { return count == 0 ? "" : fmt::format("and {} more", count); }

}  // namespace

DigestDomain SummarizeDomain(const std::string& name, const DomainStatistics& now,
                             const DomainStatistics& before,
                             const std::vector<InsightRecord>& insights) {
  DigestDomain out;
  out.name = name;
  out.now = BelievedCounts(now.by_trust);
  out.before = BelievedCounts(before.by_trust);
  out.claimed = now.total.messages - out.now.messages;
  if (out.now.messages == 0 && out.before.messages == 0) {
    out.now = now.total;
    out.before = before.total;
    out.only_claimed = out.claimed > 0;
    out.claimed = 0;
  }
  for (const SourceChange& change : CompareSources(before, now)) {
    if (out.news.size() < kMaxDigestNews) {
      out.news.push_back(EscapeForTerminal(change.sentence));
    } else {
      ++out.news_left_out;
    }
  }
  for (const InsightRecord& insight : insights) {
    if (insight.state == InsightState::kActive) out.open.push_back(insight);
  }
  std::ranges::stable_sort(out.open, [](const InsightRecord& a, const InsightRecord& b) {
    return std::tie(b.severity, a.id) < std::tie(a.severity, b.id);
  });
  if (out.open.size() > kMaxDigestInsights) {
    out.open_left_out = out.open.size() - kMaxDigestInsights;
    out.open.resize(kMaxDigestInsights);
  }
  return out;
}

Digest MakeDigest(const DayRange& week, std::vector<DigestDomain> domains) {
  std::ranges::stable_sort(
      domains, [](const DigestDomain& a, const DigestDomain& b) { return Order(b) < Order(a); });
  Digest out{.week = week, .domains = std::move(domains)};
  for (const DigestDomain& domain : out.domains) {
    out.open += domain.open.size() + domain.open_left_out;
  }
  if (out.domains.size() > kMaxDigestDomains) {
    out.domains_left_out = out.domains.size() - kMaxDigestDomains;
    out.domains.resize(kMaxDigestDomains);
  }
  return out;
}

std::string DigestSubject(const Digest& digest) {
  return fmt::format("[dmarcate] week of {}: {} domains, {} open insights",
                     FormatDay(digest.week.first), digest.domains.size() + digest.domains_left_out,
                     digest.open);
}

std::string DigestText(const Digest& digest) {
  std::string out = fmt::format("{} (UTC)\n", Days(digest.week));
  for (const DigestDomain& domain : digest.domains) {
    out += fmt::format("\n{}\n", EscapeForTerminal(domain.name));
    if (!domain.known) out += "  its reports could not be read\n";
    if (domain.known) {
      out += fmt::format("  {}{}\n  the week before: {}\n", Passing(domain.now), Claimed(domain),
                         Passing(domain.before));
    }
    for (const std::string& sentence : domain.news) out += fmt::format("  * {}\n", sentence);
    if (domain.news_left_out > 0) out += fmt::format("  * {}\n", More(domain.news_left_out));
    for (const InsightRecord& insight : domain.open) {
      out += fmt::format("  ! {} {}: {}\n", ToString(insight.severity),
                         EscapeForTerminal(insight.code), EscapeForTerminal(insight.message));
    }
    if (domain.open_left_out > 0) out += fmt::format("  ! {}\n", More(domain.open_left_out));
  }
  if (digest.domains_left_out > 0) {
    out += fmt::format("\n{} domains\n", More(digest.domains_left_out));
  }
  return out + "\ndmarcate insights list shows all of them.\n";
}

std::string DigestHtml(const Digest& digest) {
  std::string out = fmt::format(
      "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title></head>"
      "<body style=\"font-family:sans-serif\"><h1 style=\"font-size:1.2em\">{0}</h1><p>{1} (UTC)"
      "</p>",
      EscapeHtml(DigestSubject(digest)), Days(digest.week));
  for (const DigestDomain& domain : digest.domains) {
    out += fmt::format("<h2 style=\"font-size:1em\">{}</h2>",
                       EscapeHtml(EscapeForTerminal(domain.name)));
    if (domain.known) {
      out += fmt::format("<p>{}{}<br>the week before: {}</p>", Passing(domain.now), Claimed(domain),
                         Passing(domain.before));
    } else {
      out += "<p>its reports could not be read</p>";
    }
    if (domain.news.empty() && domain.open.empty()) continue;
    out += "<ul>";
    const auto item = [&out](std::string_view text) {
      out += fmt::format("<li>{}</li>", EscapeHtml(text));
    };
    for (const InsightRecord& insight : domain.open) {
      item(fmt::format("{} {}: {}", ToString(insight.severity), EscapeForTerminal(insight.code),
                       EscapeForTerminal(insight.message)));
    }
    if (domain.open_left_out > 0) item(More(domain.open_left_out));
    for (const std::string& sentence : domain.news) item(sentence);
    if (domain.news_left_out > 0) item(More(domain.news_left_out));
    out += "</ul>";
  }
  if (digest.domains_left_out > 0) {
    out += fmt::format("<p>{} domains</p>", More(digest.domains_left_out));
  }
  return out + "<p><code>dmarcate insights list</code> shows all of them.</p></body></html>\n";
}

DeliveryRecord ComposeDigest(const AlertChannelRecord& channel, const Digest& digest,
                             absl::Time now) {
  DeliveryRecord out;
  out.create_time = out.next_attempt = now;
  // Another one than that of alerts that were made at the same time.
  out.id = DeliveryId(channel.id, now, SIZE_MAX);
  out.channel = channel.id;
  out.subject = DigestSubject(digest);
  out.text = DigestText(digest);
  out.html = DigestHtml(digest);
  out.json = JsonOf(out.id, "digest", out.subject, {}, now, out.text);
  return out;
}

std::optional<DigestTime> ParseDigestTime(std::string_view text) {
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto day = std::ranges::find(kWeekdays, AsciiLower(text.substr(0, blank)));
  const std::string_view time = text.substr(blank + 1);
  const auto digit = [&time](size_t at) { return time[at] >= '0' && time[at] <= '9'; };
  if (day == kWeekdays.end() || time.size() != 5 || time[2] != ':' || !digit(0) || !digit(1) ||
      !digit(3) || !digit(4)) {
    return std::nullopt;
  }
  DigestTime out;
  out.weekday = static_cast<int>(day - kWeekdays.begin());
  out.hour = (time[0] - '0') * 10 + (time[1] - '0');
  out.minute = (time[3] - '0') * 10 + (time[4] - '0');
  if (out.hour > 23 || out.minute > 59) return std::nullopt;
  return out;
}

absl::Time LastDigestSlot(const DigestTime& when, absl::Time now) {
  // 1970-01-04 was a Sunday.
  const absl::Time first = absl::UnixEpoch() + absl::Hours(24 * (3 + when.weekday)) +
                           absl::Hours(when.hour) + absl::Minutes(when.minute);
  constexpr absl::Duration kWeek = absl::Hours(7 * 24);
  absl::Duration rest;
  int64_t weeks = absl::IDivDuration(now - first, kWeek, &rest);
  if (rest < absl::ZeroDuration()) --weeks;
  return first + kWeek * weeks;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace dmarcate
