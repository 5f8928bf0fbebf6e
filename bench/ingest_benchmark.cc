// bench/ingest_benchmark.cc
// Reports a second and bytes a record, from mail in memory: parsing alone, and parsed and stored
// durably through the daemon's own pipeline, beside the limit of the libraries (full_path_limit.h).

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>

#include "fmt/format.h"

#include "CLI/CLI.hpp"
#include "bench/corpus.h"
#include "bench/full_path_limit.h"
#include "bench/intake.h"
#include "bench/process.h"
#include "lib/base/status_macros.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::bench {
namespace {

struct Outcome {
  double seconds = 0;      // by the clock on the wall
  double cpu_seconds = 0;  // of all threads; says the same on a busy machine
  Counted counted;
};

void Measure(const std::function<void()>& work, Outcome* out) {
  const auto start = std::chrono::steady_clock::now();
  const double cpu_start = CpuSeconds();
  work();
  out->cpu_seconds = CpuSeconds() - cpu_start;
  out->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Count(const Unpacked& unpacked, Counted* counted) {
  for (const UnpackedReport& report : unpacked.reports) {
    if (!report.aggregate.has_value()) continue;
    ++counted->reports;
    counted->records += static_cast<int64_t>(report.aggregate->records.size());
    counted->messages += static_cast<int64_t>(report.aggregate->messages());
  }
}

UnpackHints Hints() { return {.file_name = "mail.eml", .received_time = absl::Now()}; }

Outcome MeasureLimit(const Corpus& corpus) {
  Outcome out;
  Measure(
      [&] {
        for (const std::string& mail : corpus.mails) CountByLibraries(mail, &out.counted);
      },
      &out);
  return out;
}

Outcome MeasureParse(const Corpus& corpus, int threads) {
  Outcome out;
  std::vector<Counted> counted(static_cast<size_t>(threads));
  const auto parse = [&] {
    std::atomic<size_t> next = 0;
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        for (size_t i = next++; i < corpus.mails.size(); i = next++) {
          Count(Unpack(corpus.mails[i], Hints(), UnpackLimits()), &counted[static_cast<size_t>(t)]);
        }
      });
    }
  };
  Measure(parse, &out);
  for (const Counted& part : counted) {
    out.counted.reports += part.reports;
    out.counted.records += part.records;
    out.counted.messages += part.messages;
  }
  return out;
}

absl::StatusOr<Outcome> MeasureIngest(const Corpus& corpus, int threads,
                                      const std::string& directory) {
  DMARCATE_ASSIGN_OR_RETURN(const auto intake, Intake::Start(directory, threads));
  Outcome out;
  absl::StatusOr<Counted> counted;
  Measure(
      [&] {
        for (const std::string& mail : corpus.mails) intake->Submit(mail, 0);
        counted = intake->Finish();
      },
      &out);
  DMARCATE_RETURN_IF_ERROR(counted.status());
  out.counted = *counted;
  return out;
}

void PrintWeight(const RocksReportWriter& store, int64_t records) {
  std::map<std::string, uint64_t> bytes;
  for (const auto& [family, size] : store.FileBytes()) bytes[family] = size;
  const auto a_record = [&](uint64_t size) {
    return static_cast<double>(size) / static_cast<double>(std::max<int64_t>(records, 1));
  };
  const uint64_t rows = bytes["reports"] + bytes["totals"];
  fmt::print(
      "rows and totals {:.2f} bytes a record (reports {:.2f}, totals {:.2f}; goal 12), with index "
      "{:.2f} and receipts {:.2f}: {:.2f} (goal 15); raw mail {:.1f}\n",
      a_record(rows), a_record(bytes["reports"]), a_record(bytes["totals"]),
      a_record(bytes["index"]), a_record(bytes["default"]),
      a_record(rows + bytes["index"] + bytes["default"]), a_record(bytes["raw"]));
}

// The corpus again and again, each time of other days, until there are `reports`: what the store
// weighs as it comes to lie, and the memory that all this takes beside the corpus.
absl::Status MeasureGrowth(const Corpus& corpus, int64_t reports, const std::string& directory) {
  constexpr double kMiB = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, 512 << 10);  // as in ingestd/main.cc
  mallopt(M_TRIM_THRESHOLD, 2 << 20);
  mallopt(M_ARENA_MAX, 4);
  malloc_trim(0);  // what reading the corpus left behind is not the intake's to use
  const int64_t corpus_bytes = MemoryBytes() - corpus.memory_before;
  DMARCATE_ASSIGN_OR_RETURN(const auto intake, Intake::Start(directory, 2));
  int64_t submitted = 0;
  for (int round = 0; submitted < reports; ++round) {
    ForgetPeakMemory();
    Outcome out;
    const auto ingest = [&] {
      for (const std::string& mail : corpus.mails) intake->Submit(mail, round);
    };
    Measure(ingest, &out);
    submitted += static_cast<int64_t>(corpus.mails.size());
    fmt::print("{:>9} reports  {:>7.3f} s {:>7.3f} s CPU  peak memory {:>6.1f} MiB (goal 96)\n",
               submitted, out.seconds, out.cpu_seconds,
               static_cast<double>(PeakMemoryBytes() - corpus_bytes) / kMiB);
    std::fflush(stdout);
  }
  DMARCATE_ASSIGN_OR_RETURN(const Counted counted, intake->Finish());
  fmt::print("{} reports, {} records; as they lie: ", counted.reports, counted.records);
  PrintWeight(intake->store(), counted.records);
  return absl::OkStatus();
}

absl::Status Weigh(const Corpus& corpus, const std::string& directory) {
  DMARCATE_ASSIGN_OR_RETURN(const auto intake, Intake::Start(directory, 2));
  for (const std::string& mail : corpus.mails) intake->Submit(mail, 0);
  DMARCATE_ASSIGN_OR_RETURN(const Counted counted, intake->Finish());
  fmt::print("\nas it lies: ");
  PrintWeight(intake->store(), counted.records);
  DMARCATE_RETURN_IF_ERROR(intake->store().Compact());
  fmt::print("compacted: ");
  PrintWeight(intake->store(), counted.records);
  return absl::OkStatus();
}

void PrintRow(std::string_view name, const Outcome& outcome, double limit_seconds) {
  fmt::print(
      "{:<33} {:>7.3f} s {:>7.3f} s CPU {:>7.0f} reports/s {:>8.0f} records/s {:>5.2f}x the "
      "limit\n",
      name, outcome.seconds, outcome.cpu_seconds,
      static_cast<double>(outcome.counted.reports) / outcome.seconds,
      static_cast<double>(outcome.counted.records) / outcome.seconds,
      outcome.seconds / limit_seconds);
}

bool Agrees(const Corpus& corpus, std::string_view name, const Counted& counted) {
  if (corpus.reports == 0) return true;
  if (counted.reports == corpus.reports && counted.records == corpus.records &&
      counted.messages == corpus.messages) {
    return true;
  }
  fmt::print(stderr, "{}: {} reports, {} records, {} messages; the truth is {}, {}, {}\n", name,
             counted.reports, counted.records, counted.messages, corpus.reports, corpus.records,
             corpus.messages);
  return false;
}

Outcome Median(int runs, const std::function<Outcome()>& measure) {
  std::vector<Outcome> all;
  for (int i = 0; i < runs; ++i) all.push_back(measure());
  std::ranges::sort(all, {}, &Outcome::seconds);
  return all[all.size() / 2];
}

int Main(int argc, char** argv) {
  CLI::App app("Measures intake of reports.");
  std::string directory = "build/bench/t20k", work = "build/bench/store";
  int runs = 3;
  int64_t growth = 0;
  app.add_option("corpus", directory, "a directory with eml/ and truth.json; made if missing")
      ->capture_default_str();
  app.add_option("--runs", runs, "measure so often, print the median")->check(CLI::Range(1, 99));
  app.add_option("--growth", growth,
                 "instead: take in so many reports, and show memory and disk as they grow");
  app.add_option("--work", work, "where the store is written; removed before and after");
  CLI11_PARSE(app, argc, argv);

  absl::StatusOr<Corpus> corpus = LoadCorpus(directory);
  if (!corpus.ok()) {
    fmt::print(stderr, "ingest_benchmark: {}\n", MessageOf(corpus.status()));
    return 1;
  }
  if (growth > 0) {
    const absl::Status grown = MeasureGrowth(*corpus, growth, work);
    if (!grown.ok()) fmt::print(stderr, "growth: {}\n", MessageOf(grown));
    std::filesystem::remove_all(work);
    return grown.ok() ? 0 : 1;
  }
  ReadTruth(directory, &*corpus);
  fmt::print("{} mails, {:.1f} MB, {} reports, {} records; median of {}\n\n", corpus->mails.size(),
             static_cast<double>(corpus->bytes) / 1e6, corpus->reports, corpus->records, runs);
  bool right = true;
  const Outcome limit = Median(runs, [&] { return MeasureLimit(*corpus); });
  PrintRow("limit: GMime, libdeflate, pugixml", limit, limit.seconds);
  right &= Agrees(*corpus, "limit", limit.counted);
  for (const int threads : {1, 2}) {
    const Outcome parsed = Median(runs, [&] { return MeasureParse(*corpus, threads); });
    PrintRow(fmt::format("parse, {} thread{}", threads, threads == 1 ? "" : "s"), parsed,
             limit.seconds);
    right &= Agrees(*corpus, "parse", parsed.counted);
  }
  for (const int threads : {1, 2}) {
    const Outcome stored = Median(runs, [&] {
      const auto outcome = MeasureIngest(*corpus, threads, work);
      if (!outcome.ok()) fmt::print(stderr, "ingest: {}\n", MessageOf(outcome.status()));
      return outcome.value_or(Outcome());
    });
    PrintRow(fmt::format("parse + store durable, {} parser{}", threads, threads == 1 ? "" : "s"),
             stored, limit.seconds);
    right &= Agrees(*corpus, "store", stored.counted);
  }
  right &= Weigh(*corpus, work).ok();
  std::filesystem::remove_all(work);
  return right ? 0 : 1;
}

}  // namespace
}  // namespace dmarcate::bench

int main(int argc, char** argv) { return dmarcate::bench::Main(argc, argv); }
