// bench/ingest_benchmark.cc
// Reports a second and bytes a record, from mail in memory: parsing alone, and parsed and stored
// durably through the daemon's own pipeline, beside the limit of the libraries (full_path_limit.h).

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "fmt/format.h"

#include "CLI/CLI.hpp"
#include "bench/corpus.h"
#include "bench/full_path_limit.h"
#include "ingestd/pipeline/convert.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/rocks_report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::bench {
namespace {

constexpr int64_t kQueueBytes = 16 << 20;

struct Outcome {
  double seconds = 0;      // by the clock on the wall
  double cpu_seconds = 0;  // of all threads; says the same on a busy machine
  Counted counted;
};

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

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

// Also says what the store then weighs.
absl::StatusOr<Outcome> MeasureIngest(const Corpus& corpus, int threads,
                                      const std::string& directory, bool weigh) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  Outcome out;
  DMARCATE_ASSIGN_OR_RETURN(const auto store, RocksReportWriter::Open(directory + "/reports"));
  DMARCATE_ASSIGN_OR_RETURN(const auto crashes, CrashJournal::Open(directory + "/crashes"));
  const auto suffixes = BuiltinPublicSuffixList();
  ByteBudget budget(kQueueBytes);
  absl::Status failed;
  PipelineOptions options;
  options.parse_threads = threads;
  Pipeline pipeline(
      *store, *suffixes, *crashes,
      [](std::string content, const UnpackHints& hints) {
        return Unpack(std::move(content), hints, UnpackLimits());
      },
      [](const absl::Status&) {}, options);
  DMARCATE_RETURN_IF_ERROR(pipeline.Start());
  std::mutex mutex;  // guards what the pipeline's answers write: out.counted, failed, durable
  size_t durable = 0;
  const auto ingest = [&] {
    for (const std::string& mail : corpus.mails) {
      Delivery delivery;
      delivery.reservation =
          budget.AcquireBefore(static_cast<int64_t>(mail.size()), absl::InfiniteFuture());
      delivery.content = mail;
      delivery.sha256 = Sha256(mail);
      delivery.file_name = "mail.eml";
      delivery.channel = Channel::kImport;
      delivery.received_time = absl::Now();
      pipeline.Submit(
          std::move(delivery),
          [&](const absl::Status& status) {
            const std::lock_guard lock(mutex);
            durable += status.ok() ? 1 : 0;
          },
          [&](const absl::StatusOr<std::vector<ReceiptItem>>& items) {
            const std::lock_guard lock(mutex);
            if (!items.ok()) {
              failed = items.status();
              return;
            }
            for (const ReceiptItem& item : *items) {
              if (!IsAccepted(item.outcome)) continue;
              ++out.counted.reports;
              out.counted.records += item.records;
              out.counted.messages += item.messages;
            }
          });
    }
    pipeline.Stop(absl::InfiniteDuration());
  };
  Measure(ingest, &out);
  DMARCATE_RETURN_IF_ERROR(failed);
  if (durable != corpus.mails.size()) {
    return MakeError(absl::StatusCode::kInternal, "not all mails became durable");
  }
  if (weigh) {
    DMARCATE_RETURN_IF_ERROR(store->Compact());
    std::map<std::string, uint64_t> bytes;
    for (const auto& [family, size] : store->FileBytes()) bytes[family] = size;
    const auto a_record = [&](uint64_t size) {
      return static_cast<double>(size) /
             static_cast<double>(std::max<int64_t>(out.counted.records, 1));
    };
    const uint64_t rows = bytes["reports"] + bytes["index"] + bytes["totals"];
    fmt::print(
        "\nbytes a record on disk, compacted: {:.2f} (reports {:.2f}, index {:.2f}, totals {:.2f}; "
        "goal 12), "
        "receipts {:.2f}, raw mail {:.1f}\n",
        a_record(rows), a_record(bytes["reports"]), a_record(bytes["index"]),
        a_record(bytes["totals"]), a_record(bytes["default"]), a_record(bytes["raw"]));
  }
  return out;
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
  app.add_option("corpus", directory, "a directory with eml/ and truth.json; made if missing")
      ->capture_default_str();
  app.add_option("--runs", runs, "measure so often, print the median")->check(CLI::Range(1, 99));
  app.add_option("--work", work, "where the store is written; removed before and after");
  CLI11_PARSE(app, argc, argv);

  const auto corpus = LoadCorpus(directory);
  if (!corpus.ok()) {
    fmt::print(stderr, "ingest_benchmark: {}\n", MessageOf(corpus.status()));
    return 1;
  }
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
      const auto outcome = MeasureIngest(*corpus, threads, work, false);
      if (!outcome.ok()) fmt::print(stderr, "ingest: {}\n", MessageOf(outcome.status()));
      return outcome.value_or(Outcome());
    });
    PrintRow(fmt::format("parse + store durable, {} parser{}", threads, threads == 1 ? "" : "s"),
             stored, limit.seconds);
    right &= Agrees(*corpus, "store", stored.counted);
  }
  right &= MeasureIngest(*corpus, 2, work, true).ok();
  std::filesystem::remove_all(work);
  return right ? 0 : 1;
}

}  // namespace
}  // namespace dmarcate::bench

int main(int argc, char** argv) { return dmarcate::bench::Main(argc, argv); }
