// bench/ingest_benchmark.cc
// Reports a second and bytes a record, from mail in memory: parsing alone, and parsed and stored
// durably through the daemon's own pipeline, beside the limit of the libraries (full_path_limit.h).

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <thread>

#include "fmt/format.h"

#include "CLI/CLI.hpp"
#include "bench/corpus.h"
#include "bench/full_path_limit.h"
#include "bench/intake.h"
#include "bench/process.h"
#include "ingestd/pipeline/heap.h"
#include "lib/base/status_macros.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::bench {
namespace {

struct Outcome {
  double seconds = 0;      // by the clock on the wall
  double cpu_seconds = 0;  // of all threads; says the same on a busy machine
  Counted counted;
};

// Adds to `out` what `work` took.
void Measure(const std::function<void()>& work, Outcome* out) {
  const auto start = std::chrono::steady_clock::now();
  const double cpu_start = CpuSeconds();
  work();
  out->cpu_seconds += CpuSeconds() - cpu_start;
  out->seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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

using Mails = std::span<const std::string>;

void AddLimit(Mails mails, Outcome* out) {
  Measure(
      [&] {
        for (const std::string& mail : mails) CountByLibraries(mail, &out->counted);
      },
      out);
}

void AddParse(Mails mails, int threads, Outcome* out) {
  std::vector<Counted> counted(static_cast<size_t>(threads));
  const auto parse = [&] {
    std::atomic<size_t> next = 0;
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        for (size_t i = next++; i < mails.size(); i = next++) {
          Count(Unpack(mails[i], Hints(), UnpackLimits()), &counted[static_cast<size_t>(t)]);
        }
      });
    }
  };
  Measure(parse, out);
  for (const Counted& part : counted) {
    out->counted.reports += part.reports;
    out->counted.records += part.records;
    out->counted.messages += part.messages;
  }
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
  BoundTheHeap();
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

// One round: everything once, so that what else the machine does falls on all alike.
struct Round {
  Outcome limit;
  std::array<Outcome, 2> parsed, stored;  // by 1 and 2 threads
};

absl::StatusOr<Round> MeasureRound(const Corpus& corpus, const std::string& directory) {
  constexpr size_t kSlice = 500;  // mails, some 50 ms
  Round out;
  const Mails all = corpus.mails;
  for (size_t begin = 0; begin < all.size(); begin += kSlice) {
    const Mails slice = all.subspan(begin, std::min(kSlice, all.size() - begin));
    AddLimit(slice, &out.limit);
    AddParse(slice, 1, &out.parsed[0]);
    AddParse(slice, 2, &out.parsed[1]);
  }
  for (const int threads : {1, 2}) {
    DMARCATE_ASSIGN_OR_RETURN(out.stored[static_cast<size_t>(threads - 1)],
                              MeasureIngest(corpus, threads, directory));
  }
  return out;
}

// Of the rounds.
double MedianOf(const std::vector<Round>& rounds,
                const std::function<double(const Round&)>& figure) {
  std::vector<double> all;
  for (const Round& round : rounds) all.push_back(figure(round));
  std::ranges::sort(all);
  return all[all.size() / 2];
}

void PrintRow(std::string_view name, const std::vector<Round>& rounds,
              const std::function<const Outcome&(const Round&)>& row) {
  const auto median = [&](const auto& figure) {
    return MedianOf(rounds, [&](const Round& round) { return figure(round); });
  };
  const double seconds = median([&](const Round& round) { return row(round).seconds; });
  const Counted& counted = row(rounds.front()).counted;
  fmt::print(
      "{:<33} {:>7.3f} s {:>7.3f} s CPU {:>7.0f} reports/s {:>8.0f} records/s {:>5.2f}x the "
      "limit\n",
      name, seconds, median([&](const Round& round) { return row(round).cpu_seconds; }),
      static_cast<double>(counted.reports) / seconds,
      static_cast<double>(counted.records) / seconds,
      median([&](const Round& round) { return row(round).seconds / round.limit.seconds; }));
}

void PrintGoals(const std::vector<Round>& rounds) {
  const auto ratio = [&](const auto& of, const auto& to) {
    return MedianOf(rounds,
                    [&](const Round& round) { return of(round).seconds / to(round).seconds; });
  };
  const auto limit = [](const Round& r) -> const Outcome& { return r.limit; };
  const auto parsed = [](size_t i) {
    return [i](const Round& r) -> const Outcome& { return r.parsed[i]; };
  };
  const auto stored = [](size_t i) {
    return [i](const Round& r) -> const Outcome& { return r.stored[i]; };
  };
  fmt::print(
      "\nparse by 1 thread: {:.2f} of the limit's speed (goal 0.75); by 2: {:.2f}x that of 1 (goal "
      "1.7)\nstore durable: {:.2f}x and {:.2f}x the time of the parse alone (goal 1.5)\n",
      ratio(limit, parsed(0)), ratio(parsed(0), parsed(1)), ratio(stored(0), parsed(0)),
      ratio(stored(1), parsed(1)));
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

int Main(int argc, char** argv) {
  CLI::App app("Measures intake of reports.");
  std::string directory = "build/bench/t20k", work = "build/bench/store";
  int runs = 3;
  int64_t growth = 0;
  app.add_option("corpus", directory, "a directory with eml/ and truth.json; made if missing")
      ->capture_default_str();
  app.add_option("--runs", runs, "measure so many rounds, print the medians")
      ->check(CLI::Range(1, 99));
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
  fmt::print("{} mails, {:.1f} MB, {} reports, {} records; medians of {} rounds\n\n",
             corpus->mails.size(), static_cast<double>(corpus->bytes) / 1e6, corpus->reports,
             corpus->records, runs);
  std::vector<Round> rounds;
  bool right = true;
  for (int i = 0; i < runs; ++i) {
    auto round = MeasureRound(*corpus, work);
    if (!round.ok()) {
      fmt::print(stderr, "ingest_benchmark: {}\n", MessageOf(round.status()));
      return 1;
    }
    right &= Agrees(*corpus, "limit", round->limit.counted);
    for (const Outcome& parsed : round->parsed) right &= Agrees(*corpus, "parse", parsed.counted);
    for (const Outcome& stored : round->stored) right &= Agrees(*corpus, "store", stored.counted);
    rounds.push_back(*std::move(round));
  }
  PrintRow("limit: GMime, libdeflate, pugixml", rounds,
           [](const Round& round) -> const Outcome& { return round.limit; });
  for (const size_t i : {0, 1}) {
    PrintRow(fmt::format("parse, {} thread{}", i + 1, i == 0 ? "" : "s"), rounds,
             [i](const Round& round) -> const Outcome& { return round.parsed[i]; });
  }
  for (const size_t i : {0, 1}) {
    PrintRow(fmt::format("parse + store durable, {} parser{}", i + 1, i == 0 ? "" : "s"), rounds,
             [i](const Round& round) -> const Outcome& { return round.stored[i]; });
  }
  PrintGoals(rounds);
  right &= Weigh(*corpus, work).ok();
  std::filesystem::remove_all(work);
  return right ? 0 : 1;
}

}  // namespace
}  // namespace dmarcate::bench

int main(int argc, char** argv) { return dmarcate::bench::Main(argc, argv); }
