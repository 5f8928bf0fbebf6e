// dmarcate parse: any report, in any wrapping, to a table, JSON or CSV. Needs no daemon.

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "absl/time/time.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/import/file_reader.h"
#include "cli/import/items.h"
#include "cli/parsed_report.h"
#include "cli/report_text.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kFileLimitBytes = 512 << 20;

std::string OutcomeText(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted:
      return "accepted";
    case Outcome::kAcceptedCosmetic:
      return "accepted_cosmetic";
    case Outcome::kAcceptedMaterial:
      return "accepted_material";
    case Outcome::kQuarantined:
      return "quarantined";
    case Outcome::kOverLimit:
      return "over_limit";
    case Outcome::kNotAReport:
      return "not_a_report";
    case Outcome::kDuplicate:
      return "duplicate";
  }
  return "quarantined";
}

bool IsReport(const UnpackedReport& report) {
  return report.aggregate.has_value() || report.tls.has_value() || report.failure.has_value();
}

std::string KindText(const UnpackedReport& report) {
  if (!IsReport(report) && report.outcome != Outcome::kDuplicate) return "invalid";
  switch (report.kind) {
    case ReportKind::kAggregate:
      return "aggregate";
    case ReportKind::kFailure:
      return "failure";
    case ReportKind::kTls:
      return "tlsrpt";
    case ReportKind::kUnknown:
      break;
  }
  return "invalid";
}

const Repair* FindRepair(const UnpackedReport& report, std::string_view code) {
  const auto found = std::ranges::find(report.repairs, code, &Repair::code);
  return found == report.repairs.end() ? nullptr : &*found;
}

// "100..200" as two numbers.
bool ReadInterval(std::string_view text, int64_t* begin, int64_t* end) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return false;
  const std::string_view first = text.substr(0, dots), second = text.substr(dots + 2);
  const auto whole = [](std::string_view digits, int64_t* out) {
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *out);
    return error == std::errc() && at == digits.data() + digits.size();
  };
  return whole(first, begin) && whole(second, end);
}

// A summary says what is written, also where the reader placed the report elsewhere or filled a
// gap.
void PutAsWritten(const UnpackedReport& report, Json* out) {
  if (FindRepair(report, "org_missing") != nullptr) (*out)["org_name"] = "";
  if (FindRepair(report, "report_id_missing") != nullptr) (*out)["report_id"] = "";
  int64_t begin = 0, end = 0;
  const Repair* swapped = FindRepair(report, "date_swapped");
  if (swapped != nullptr && ReadInterval(swapped->raw, &begin, &end)) {
    (*out)["begin"] = begin;
    (*out)["end"] = end;
  }
}

// Where a report stands: a file as it was named, and what in it; empty where that is all of it.
struct Origin {
  std::string file, member;
  std::string Text() const { return member.empty() ? file : fmt::format("{}!{}", file, member); }
};

// The keys and their meaning are a contract: one object for each contained report.
Json Summary(const Origin& origin, const UnpackedReport& report) {
  Json out = {{"file", origin.file},
              {"member", origin.member.empty() ? Json() : Json(origin.member)},
              {"kind", KindText(report)},
              {"outcome", OutcomeText(report.outcome)},
              {"error", report.reason.empty() ? Json() : Json(report.reason)},
              {"org_name", nullptr},
              {"report_id", nullptr},
              {"begin", nullptr},
              {"end", nullptr},
              {"domain", nullptr},
              {"p", nullptr},
              {"records", nullptr},
              {"messages", nullptr}};
  if (report.aggregate) {
    const AggregateReport& aggregate = *report.aggregate;
    out["org_name"] = aggregate.metadata.org_name;
    out["report_id"] = aggregate.metadata.report_id;
    out["begin"] = aggregate.metadata.begin;
    out["end"] = aggregate.metadata.end;
    out["domain"] = aggregate.policy.domain;
    if (aggregate.policy.p || !aggregate.policy.p_raw.empty()) out["p"] = aggregate.policy.p_raw;
    out["records"] = aggregate.records.size();
    out["messages"] = aggregate.messages();
    PutAsWritten(report, &out);
  } else if (report.tls) {
    uint64_t sessions = 0;
    for (const auto& policy : report.tls->policies) {
      sessions += policy.successful_sessions + policy.failed_sessions;
    }
    out["org_name"] = report.tls->organization_name;
    out["report_id"] = report.tls->report_id;
    out["begin"] = report.tls->begin;
    out["end"] = report.tls->end;
    if (!report.tls->policies.empty()) out["domain"] = report.tls->policies.front().policy_domain;
    out["records"] = report.tls->policies.size();
    out["messages"] = sessions;
  } else if (report.failure) {
    out["domain"] = report.failure->reported_domain;
    out["records"] = 1;
    out["messages"] = report.failure->incidents;
  }
  return out;
}

// The summary with the whole content below "report".
//   kDataLoss  that has no JSON form
absl::StatusOr<Json> Whole(const Origin& origin, const UnpackedReport& report) {
  Json out = Summary(origin, report);
  out["detail"] = report.detail;
  out["container"] = report.container;
  if (report.aggregate) {
    DMARCATE_ASSIGN_OR_RETURN(const std::string json, ToJson(ToApi(report), false));
    out["report"] = Json::parse(json);
  } else if (report.tls) {
    Json policies = Json::array();
    for (const auto& policy : report.tls->policies) {
      Json failures = Json::array();
      for (const auto& failure : policy.failures) {
        failures.push_back({{"result_type", failure.result_type},
                            {"sending_mta_ip", failure.sending_mta_ip},
                            {"receiving_mx_hostname", failure.receiving_mx_hostname},
                            {"failed_session_count", failure.failed_sessions}});
      }
      policies.push_back({{"policy_type", policy.policy_type},
                          {"policy_domain", policy.policy_domain},
                          {"mx_hosts", policy.mx_hosts},
                          {"successful_session_count", policy.successful_sessions},
                          {"failed_session_count", policy.failed_sessions},
                          {"failure_details", failures}});
    }
    out["report"] = {{"organization_name", report.tls->organization_name}, {"policies", policies}};
  } else if (report.failure) {
    const FailureReport& failure = *report.failure;
    out["report"] = {{"feedback_type", failure.feedback_type},
                     {"auth_failure", failure.auth_failure},
                     {"reported_domain", failure.reported_domain},
                     {"source_ip", failure.source_ip},
                     {"arrival_date", failure.arrival_date},
                     {"delivery_result", failure.delivery_result},
                     {"dkim_domain", failure.dkim_domain},
                     {"dkim_selector", failure.dkim_selector},
                     {"incidents", failure.incidents}};
  }
  return out;
}

std::string ForPeople(const Origin& origin, const UnpackedReport& report) {
  std::string out = fmt::format("{}: ", EscapeForTerminal(origin.Text()));
  if (report.aggregate) {
    return out + ReportText(ToApi(report)) + "\n";
  }
  if (report.tls) {
    out += fmt::format(
        "TLS report of {}, {} to {}\n", EscapeForTerminal(report.tls->organization_name),
        EscapeForTerminal(report.tls->begin_text), EscapeForTerminal(report.tls->end_text));
    for (const auto& policy : report.tls->policies) {
      out +=
          fmt::format("  {} {}: {} sessions, {} failed\n", EscapeForTerminal(policy.policy_domain),
                      EscapeForTerminal(policy.policy_type),
                      policy.successful_sessions + policy.failed_sessions, policy.failed_sessions);
    }
    return out;
  }
  if (report.failure) {
    return out + fmt::format("failure report about {}, from {}, {}\n",
                             EscapeForTerminal(report.failure->reported_domain),
                             EscapeForTerminal(report.failure->source_ip),
                             EscapeForTerminal(Join(report.failure->auth_failure, ",")));
  }
  return out + fmt::format("{}: {}{}{}\n", OutcomeText(report.outcome), report.reason,
                           report.detail.empty() ? "" : ": ", EscapeForTerminal(report.detail));
}

std::string CellOf(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Table SummaryTable(const std::vector<Json>& objects) {
  Table table({{"FILE"},
               {"KIND"},
               {"OUTCOME"},
               {"ERROR"},
               {"ORG_NAME"},
               {"REPORT_ID", Align::kLeft, true},
               {"BEGIN", Align::kRight, true},
               {"END", Align::kRight, true},
               {"DOMAIN"},
               {"P"},
               {"RECORDS", Align::kRight},
               {"MESSAGES", Align::kRight}});
  for (const Json& object : objects) {
    std::vector<Cell> cells;
    cells.push_back(Origin{CellOf(object.at("file")), CellOf(object.at("member"))}.Text());
    for (const char* key : {"kind", "outcome", "error", "org_name", "report_id", "begin", "end",
                            "domain", "p", "records", "messages"}) {
      cells.push_back(CellOf(object.at(key)));
    }
    table.Add(CellOf(object.at("file")), std::move(cells));
  }
  return table;
}

struct Options {
  std::vector<std::string> files;
  bool summary = false;
};

// Reads what the files hold, with the eyes of an import, and shows it as it goes or in the end.
class Parser final : public ImportSink {
 public:
  Parser(App* app, const Options& options) : app_(*app), options_(options) {}

  void Read(const std::string& file) {
    file_ = file;
    const int before = good_ + bad_;
    reader_.Read(file);
    if (good_ + bad_ != before) return;
    UnpackedReport nothing;
    nothing.reason = "empty_archive";
    nothing.detail = "an archive with no file in it that could be a report";
    ++bad_;
    Show({file_, ""}, nothing);
  }

  bool Take(ImportItem item) override {
    // "old.tar.gz!2026/05/x.eml" is x.eml in the file that was named.
    const size_t named = file_ == "-" ? std::string_view("standard input").size() : file_.size();
    const std::string member(std::string_view(item.name).substr(
        std::min(item.name.size(), item.name.size() > named ? named + 1 : named)));
    const std::string& path = member.empty() && file_ != "-" ? file_ : member;
    // No time of receipt: an impossible date stays as it is written.
    const UnpackHints hints = {std::filesystem::path(path).filename().string(), absl::UnixEpoch(),
                               /*handed_in=*/true};
    const Unpacked unpacked = Unpack(std::move(item.content), hints, UnpackLimits());
    for (const UnpackedReport& report : unpacked.reports) {
      ++(IsReport(report) || report.outcome == Outcome::kDuplicate ? good_ : bad_);
      Show({file_, member}, report);
    }
    return true;
  }
  void Tell(ImportNotice notice) override {
    const bool refused = notice.kind == ImportNotice::Kind::kRefused;
    if (refused) ++bad_;
    app_.Note(fmt::format("{}: {}: {}{}{}", refused ? "not read" : "left out", notice.name,
                          notice.why, notice.next.empty() ? "" : "; ", notice.next));
  }
  void FileDone(int64_t /*source_bytes*/) override {}

  int Finish() {
    const Format format = app_.format();
    if (format == Format::kJson || format == Format::kYaml) {
      const Json list = {{"items", objects_}};
      const std::string text = list.dump(2, ' ', true, Json::error_handler_t::replace);
      WriteOut((format == Format::kJson ? text : JsonToYaml(text)) + "\n");
    } else if (format == Format::kName || (options_.summary && format != Format::kJsonl)) {
      WriteOut(SummaryTable(objects_).Render(format));
    } else if (format == Format::kCsv) {
      tables_.Write();
    }
    if (bad_ == 0) return kDone;
    return good_ > 0 ? kPartFailed : kFailed;
  }

 private:
  void Show(const Origin& origin, const UnpackedReport& report) {
    const Format format = app_.format();
    if (format == Format::kJsonl) {  // as it goes: there may be very many files
      WriteOut((options_.summary ? Summary(origin, report) : Detailed(origin, report))
                   .dump(-1, ' ', true, Json::error_handler_t::replace) +
               "\n");
    } else if (options_.summary || format == Format::kName) {
      objects_.push_back(Summary(origin, report));
    } else if (format == Format::kJson || format == Format::kYaml) {
      objects_.push_back(Detailed(origin, report));
    } else if (format == Format::kCsv) {
      if (!tables_.Add(origin.Text(), report)) {
        app_.Note(
            fmt::format("{}: {}: {}", origin.Text(), OutcomeText(report.outcome), report.reason));
      }
    } else {
      WriteOut(ForPeople(origin, report));
    }
  }

  // The summary alone of a report that cannot be printed, which counts as one that was not read.
  Json Detailed(const Origin& origin, const UnpackedReport& report) {
    auto whole = Whole(origin, report);
    if (whole.ok()) return *std::move(whole);
    --good_;  // only what was read has more than a summary
    ++bad_;
    app_.Note(fmt::format("{}: not printed: {}", origin.Text(), MessageOf(whole.status())));
    return Summary(origin, report);
  }

  const App& app_;
  const Options& options_;
  FileReader reader_{{.item_bytes = kFileLimitBytes, .mailboxes = ImportLimits::Mailboxes::kWhole},
                     *this};
  std::string file_;  // that is being read
  std::vector<Json> objects_;
  ParsedTables tables_;
  int good_ = 0, bad_ = 0;
};

int Parse(App* app, const Options& options) {
  Parser parser(app, options);
  for (const std::string& file : options.files) parser.Read(file);
  return parser.Finish();
}

}  // namespace

void AddParse(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* parse = root->add_subcommand("parse", "read reports from files; needs no daemon");
  parse
      ->add_option("FILE", options->files,
                   "mail, mbox, gzip, zip, tar, XML or JSON; - for standard input")
      ->required();
  parse->add_flag("--summary", options->summary, "one line or object for each contained report");
  parse->footer(
      "Exit codes: 0 all read, 9 some could not be read, 1 none could.\n"
      "Examples:\n  dmarcate parse google.com\\!example.com\\!1.zip\n"
      "  dmarcate parse --summary -o jsonl mails/*.eml");
  app->OnSelected(parse, [app, options] { return Parse(app, *options); });
}

}  // namespace dmarcate::cli
