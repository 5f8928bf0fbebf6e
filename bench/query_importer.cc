#include "bench/query_importer.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/rocks_report_store.h"

namespace dmarcate::bench {
namespace {

constexpr int kReportsOfTurn = 64;

volatile sig_atomic_t stop_importing = 0;

}  // namespace

Importer::Importer(const std::string& work, const QueryScale& scale) {
  std::vector<std::string> words = {"/proc/self/exe",
                                    "--import-into",
                                    work,
                                    "--rows",
                                    std::to_string(scale.rows),
                                    "--domains",
                                    std::to_string(scale.domains),
                                    "--days",
                                    std::to_string(scale.days)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (posix_spawn(&pid_, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) != 0) {
    pid_ = -1;
  }
}

Importer::~Importer() {
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

bool Importer::running() const { return pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0; }

int Import(const std::string& work, const QueryScale& scale) {
  using Clock = std::chrono::steady_clock;
  signal(SIGTERM, [](int) { stop_importing = 1; });
  const QueryData data(scale);
  const auto writer = RocksReportWriter::Open(work + "/reports");
  if (!writer.ok()) {
    fmt::print(stderr, "import: {}\n", MessageOf(writer.status()));
    return 1;
  }
  ReportFiller filler(**writer, 1'000'000'000);
  std::mt19937_64 random(5);
  int64_t reports = 0, rows = 0;
  const Clock::time_point start = Clock::now();
  while (stop_importing == 0) {
    const Clock::time_point begun = Clock::now();
    absl::Status status;
    for (int i = 0; i < kReportsOfTurn && status.ok(); ++i, ++reports) {
      StoredReport report = data.LateReport(random);
      rows += static_cast<int64_t>(report.report.records.size());
      status = filler.Add(std::move(report));
    }
    if (!status.ok()) {
      fmt::print(stderr, "import: {}\n", MessageOf(status));
      break;
    }
    // Half of what it could do (performance.md, goal 10).
    std::this_thread::sleep_for(Clock::now() - begun);
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  fmt::print("imported meanwhile, half of the time: {:.0f} reports/s, {:.0f} rows/s\n",
             static_cast<double>(reports) / seconds, static_cast<double>(rows) / seconds);
  std::fflush(stdout);
  return 0;
}

}  // namespace dmarcate::bench
