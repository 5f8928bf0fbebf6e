// bench/query_benchmark.cc
// Top sources with pass rates and the series of days over 30 sliding days, and what-if, of a large,
// a middling and a small domain among very many rows: beside a scan over a compact array of the
// same rows, whose answer has to be the same. And while another process imports.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "CLI/CLI.hpp"
#include "bench/query_data.h"
#include "bench/query_importer.h"
#include "bench/query_scan.h"
#include "bench/query_server.h"
#include "lib/base/status_macros.h"
#include "lib/store/rocks_report_store.h"
#include "policyd/service/row_tables.h"

namespace dmarcate::bench {
namespace {

constexpr int kWindowDays = 30;
constexpr double kMiB = 1 << 20;

struct Options {
  QueryScale scale;
  int rounds = 5;
  int import_seconds = 10;
  bool fleet = false;
  std::string work = "build/bench/query";
  std::string import_into;
};

struct Times {
  std::vector<double> seconds;
  void Add(double one) { seconds.push_back(one); }
  double At(double share) const {
    if (seconds.empty()) return 0;
    std::vector<double> sorted = seconds;
    const auto at = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at),
                     sorted.end());
    return sorted[at];
  }
  double p50() const { return At(0.5); }
  double p99() const { return At(0.99); }
  double max() const { return At(1); }
};

template <typename Work>
double SecondsOf(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Of one domain.
struct Subject {
  std::string label;
  int rank = 0;
  std::string domain;
  ScanArray array;
  Times scan, engine, rpc, idle, busy, supposed, by_rows;
};

struct Goals {
  bool missed = false;
  void Note(std::string_view what, double is, double limit, std::string_view unit) {
    const bool met = is <= limit;
    missed |= !met;
    fmt::print("{:<62} {:>8.3f} {:<3} goal {:>6.2f} {}\n", what, is, unit, limit,
               met ? "met" : "MISSED");
  }
};

std::vector<DayRange> Windows(const QueryScale& scale) {
  std::vector<DayRange> out;
  const DayNumber end = kFirstQueryDay + scale.days;
  for (DayNumber first = kFirstQueryDay; first + kWindowDays <= end; ++first) {
    out.push_back({first, first + kWindowDays - 1});
  }
  return out;
}

TopAndSeries::Sum SumOf(const Counts& counts) {
  return {counts.messages, counts.dmarc_pass, counts.dkim_aligned, counts.spf_aligned};
}

TopAndSeries ToComparable(const QueryServer::Answer& answer) {
  TopAndSeries out;
  for (const SourceStatistics& source : answer.page.statistics.sources) {
    out.top.emplace_back(source.id, SumOf(source.counts));
  }
  for (const DayStats& day : answer.series.days) out.days.push_back(SumOf(day.counts));
  return out;
}

absl::Status Fill(const Options& options, const QueryData& data, std::vector<Subject>& subjects) {
  std::filesystem::remove_all(options.work);
  std::filesystem::create_directories(options.work);
  DMARCATE_ASSIGN_OR_RETURN(const auto writer, RocksReportWriter::Open(options.work + "/reports"));
  ReportFiller filler(*writer);
  absl::Status status;
  int64_t reports = 0, rows = 0;
  const double seconds = SecondsOf([&] {
    data.ForEachReport([&](int rank, StoredReport report) {
      ++reports;
      rows += static_cast<int64_t>(report.report.records.size());
      for (Subject& subject : subjects) {
        if (subject.rank != rank) continue;
        for (const AggregateRecord& record : report.report.records) {
          const Attribution source = Attribute(record, report.key.domain, Catalogue::Default());
          subject.array.Add(report.key.day, source.source_id, record);
        }
      }
      if (status.ok()) status = filler.Add(std::move(report));
    });
    if (status.ok()) status = filler.Flush();
  });
  DMARCATE_RETURN_IF_ERROR(status);
  DMARCATE_RETURN_IF_ERROR(writer->Compact());
  fmt::print("{} rows in {} reports about {} domains over {} days; made and stored in {:.0f} s\n",
             rows, reports, data.scale().domains, data.scale().days, seconds);
  std::fflush(stdout);
  return absl::OkStatus();
}

// Each window by array and by us in turn, so that what else the machine does falls on both alike.
absl::Status MeasureTop(const Options& options, QueryServer& server, Subject& subject) {
  const std::vector<DayRange> windows = Windows(options.scale);
  for (int round = -1; round < options.rounds; ++round) {  // the first one warms up
    for (const DayRange& window : windows) {
      TopAndSeries scanned;
      absl::StatusOr<QueryServer::Answer> asked;
      const double scan = SecondsOf([&] { scanned = subject.array.Scan(window); });
      const double engine = SecondsOf([&] { asked = server.Ask(subject.domain, window); });
      DMARCATE_RETURN_IF_ERROR(asked.status());
      if (ToComparable(*asked) != scanned) {
        return MakeError(
            absl::StatusCode::kInternal,
            fmt::format("{} from day {}: not what the array says", subject.domain, window.first));
      }
      if (round < 0) continue;
      subject.scan.Add(scan);
      subject.engine.Add(engine);
    }
  }
  return absl::OkStatus();
}

// By themselves: between two of ours they would leave neither our data nor the array's in the
// caches of the processor.
absl::Status MeasureCalls(const Options& options, QueryServer& server, Subject& subject) {
  absl::Status status;
  for (int round = 0; round < options.rounds; ++round) {
    for (const DayRange& window : Windows(options.scale)) {
      subject.rpc.Add(SecondsOf([&] { status = server.Call(subject.domain, window); }));
      DMARCATE_RETURN_IF_ERROR(status);
    }
  }
  return absl::OkStatus();
}

// The same by reading all reports, as it is done where there are no compact rows.
absl::Status MeasureRows(const Options& options, QueryServer& server, Subject& subject) {
  for (int i = 0; i < 3; ++i) {
    const DayRange window = Windows(options.scale).front();
    absl::Status status;
    subject.by_rows.Add(SecondsOf([&] {
      StatisticsBuilder builder(subject.domain, window, Catalogue::Default());
      status = server.reader().ForEachReport(subject.domain, window.first, window.last,
                                             [&](const StoredReport& report) {
                                               builder.Add(report);
                                               return true;
                                             });
      builder.Finish();
    }));
    DMARCATE_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::Status MeasureWhatIf(const Options& options, QueryServer& server, Subject& subject) {
  const WhatIf suppositions[] = {
      {.policy = {.p = DmarcPolicy::kReject}},
      {.policy = {.p = DmarcPolicy::kReject,
                  .adkim = DmarcAlignmentMode::kStrict,
                  .aspf = DmarcAlignmentMode::kStrict},
       .treatments = {{"sendgrid", Treatment::kSigned}, {"mailgun", Treatment::kSpfAuthorized}}},
      {.policy = {.p = DmarcPolicy::kQuarantine, .sp = DmarcPolicy::kReject, .testing = true},
       .treatments = {{"mailchimp", Treatment::kSpfWithdrawn}}}};
  size_t which = 0;
  for (const DayRange& window : Windows(options.scale)) {
    const WhatIf& what_if = suppositions[which++ % std::size(suppositions)];
    absl::StatusOr<WhatIfPage> page;
    subject.supposed.Add(
        SecondsOf([&] { page = server.Suppose(subject.domain, window, what_if); }));
    DMARCATE_RETURN_IF_ERROR(page.status());
    if (which > std::size(suppositions)) continue;
    WhatIfBuilder builder(subject.domain, window, Catalogue::Default(), server.suffixes(), what_if);
    DMARCATE_RETURN_IF_ERROR(server.reader().ForEachReport(
        subject.domain, window.first, window.last, [&](const StoredReport& report) {
          builder.Add(report);
          return true;
        }));
    const WhatIfResult rows = builder.Finish();
    const bool equal = rows.total == page->result.total && rows.by_trust == page->result.by_trust &&
                       !rows.sources.empty() &&
                       rows.sources.front().key == page->result.sources.front().key &&
                       rows.sources.front().counts == page->result.sources.front().counts;
    if (!equal) {
      return MakeError(absl::StatusCode::kInternal,
                       fmt::format("{}: what-if is not what the rows say", subject.domain));
    }
  }
  return absl::OkStatus();
}

// Queries of all subjects in turn for a while.
absl::Status MeasureLoad(const Options& options, QueryServer& server,
                         std::vector<Subject>& subjects, Times Subject::* times) {
  const std::vector<DayRange> windows = Windows(options.scale);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(options.import_seconds);
  for (size_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
    for (Subject& subject : subjects) {
      absl::Status status;
      (subject.*times).Add(SecondsOf([&] {
        status = server.Ask(subject.domain, windows[i % windows.size()]).status();
      }));
      DMARCATE_RETURN_IF_ERROR(status);
    }
  }
  return absl::OkStatus();
}

// All domains and days at once, as they come to lie in memory.
absl::Status MeasureFleet(const Options& options, const QueryData& data, QueryServer& server) {
  const DayRange all{kFirstQueryDay, kFirstQueryDay + options.scale.days - 1};
  absl::Status status;
  const double seconds = SecondsOf([&] {
    for (int rank = options.scale.domains - 1; rank >= 0 && status.ok(); --rank) {
      status = server.Ask(data.domain(rank), all).status();
    }
  });
  DMARCATE_RETURN_IF_ERROR(status);
  const RowTables& rows = *server.analysis().rows();
  fmt::print("\nall domains and days asked for once: {:.0f} s; kept {:.1f} MiB of at most {:.0f}\n",
             seconds, static_cast<double>(rows.bytes()) / kMiB,
             static_cast<double>(kRowTableBytes) / kMiB);
  return absl::OkStatus();
}

void PrintTimes(std::string_view what, const Times& times) {
  fmt::print("  {:<44} p50 {:>9.3f} ms  p99 {:>9.3f} ms  max {:>9.3f} ms\n", what,
             times.p50() * 1e3, times.p99() * 1e3, times.max() * 1e3);
}

void Print(const Options& options, std::vector<Subject>& subjects, const Times& nothing) {
  const DayRange last = Windows(options.scale).back();
  for (Subject& subject : subjects) {
    fmt::print("\n{} domain: {} rows, {} addresses, {} sources in 30 days\n", subject.label,
               subject.array.RowsIn(last), subject.array.AddressesIn(last),
               subject.array.SourcesIn(last));
    PrintTimes("compact array (limit)", subject.scan);
    PrintTimes("top sources and series", subject.engine);
    PrintTimes("the same, by reading the reports", subject.by_rows);
    PrintTimes("both RPCs over loopback", subject.rpc);
    PrintTimes("top sources and series, all domains in turn", subject.idle);
    PrintTimes("the same while an import runs", subject.busy);
    if (!subject.supposed.seconds.empty()) PrintTimes("what-if", subject.supposed);
  }
  PrintTimes("two RPCs that are refused", nothing);
  fmt::print("{}: an RPC takes {:.3f} ms more than one that is refused (p50)\n\n",
             subjects.back().label, (subjects.back().rpc.p50() - nothing.p50()) / 2 * 1e3);
}

absl::StatusOr<bool> Run(const Options& options) {
  const QueryData data(options.scale);
  std::vector<Subject> subjects;
  for (const auto& [label, rank] :
       {std::pair("largest", 0), std::pair("10th", 9), std::pair("100th", 99)}) {
    if (rank >= options.scale.domains) continue;
    subjects.push_back({.label = label, .rank = rank, .domain = data.domain(rank), .array = {}});
  }
  DMARCATE_RETURN_IF_ERROR(Fill(options, data, subjects));
  std::vector<std::string> domains;
  for (int rank = 0; rank < options.scale.domains; ++rank) domains.push_back(data.domain(rank));
  DMARCATE_ASSIGN_OR_RETURN(const auto server, QueryServer::Start(options.work, domains));

  const DayRange first = Windows(options.scale).front();
  for (Subject& subject : subjects) {
    absl::Status status;
    const double cold = SecondsOf([&] { status = server->Ask(subject.domain, first).status(); });
    DMARCATE_RETURN_IF_ERROR(status);
    fmt::print("{} domain, asked for the first time: {:.1f} ms\n", subject.label, cold * 1e3);
  }
  Times nothing;
  for (int i = 0; i < 200; ++i) {
    absl::Status status;
    nothing.Add(SecondsOf([&] { status = server->CallNothing(); }));
    DMARCATE_RETURN_IF_ERROR(status);
  }
  for (Subject& subject : subjects) {
    DMARCATE_RETURN_IF_ERROR(MeasureTop(options, *server, subject));
    DMARCATE_RETURN_IF_ERROR(MeasureCalls(options, *server, subject));
    DMARCATE_RETURN_IF_ERROR(MeasureRows(options, *server, subject));
  }
  DMARCATE_RETURN_IF_ERROR(MeasureWhatIf(options, *server, subjects.front()));
  if (options.fleet) DMARCATE_RETURN_IF_ERROR(MeasureFleet(options, data, *server));
  server->Follow();
  DMARCATE_RETURN_IF_ERROR(MeasureLoad(options, *server, subjects, &Subject::idle));
  {
    const Importer importer(options.work, options.scale);
    const uint64_t before = server->reader().version();
    DMARCATE_RETURN_IF_ERROR(MeasureLoad(options, *server, subjects, &Subject::busy));
    if (!importer.running() || server->reader().version() == before) {
      return MakeError(absl::StatusCode::kInternal, "nothing was imported meanwhile");
    }
  }
  Print(options, subjects, nothing);

  Goals goals;
  for (const Subject& subject : subjects) {
    goals.Note(fmt::format("{}: top sources and series, beside the array", subject.label),
               subject.engine.p50() / subject.scan.p50(), 1.5, "x");
  }
  goals.Note("largest: what-if, beside the array",
             subjects.front().supposed.p50() / subjects.front().scan.p50(), 10, "x");
  for (const Subject& subject : subjects) {
    goals.Note(fmt::format("{}: p99 while an import runs, beside p99 without", subject.label),
               subject.busy.p99() / subject.idle.p99(), 2, "x");
  }
  goals.Note("largest: p99 of an RPC over loopback", subjects.front().rpc.p99() / 2 * 1e3, 12,
             "ms");
  goals.Note(fmt::format("{}: p99 of an RPC over loopback", subjects.back().label),
             subjects.back().rpc.p99() / 2 * 1e3, 0.5, "ms");
  return !goals.missed;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures queries of policyd.");
  Options options;
  bool small = false;
  app.add_option("--rows", options.scale.rows)->capture_default_str();
  app.add_option("--domains", options.scale.domains)->capture_default_str();
  app.add_option("--days", options.scale.days, "at least 30")->capture_default_str();
  app.add_option("--rounds", options.rounds)->capture_default_str();
  app.add_option("--import-seconds", options.import_seconds)->capture_default_str();
  app.add_flag("--fleet", options.fleet, "also ask for all days of all domains");
  app.add_flag("--small", small, "in seconds, to see that all answers are right; judges no speed");
  app.add_option("--work", options.work, "where the store is written; removed before and after");
  app.add_option("--import-into", options.import_into)->group("");
  CLI11_PARSE(app, argc, argv);
  if (!options.import_into.empty()) return Import(options.import_into, options.scale);
  if (small) {
    options.scale = {.rows = 60'000, .domains = 120, .days = 34};
    options.rounds = 1;
    options.import_seconds = 3;
  }
  const absl::StatusOr<bool> met = Run(options);
  std::filesystem::remove_all(options.work);
  if (!met.ok()) {
    fmt::print(stderr, "query_benchmark: {}\n", MessageOf(met.status()));
    return 1;
  }
  return *met || small ? 0 : 2;
}

}  // namespace
}  // namespace dmarcate::bench

int main(int argc, char** argv) { return dmarcate::bench::Main(argc, argv); }
