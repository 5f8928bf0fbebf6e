// bench/smtp_benchmark.cc
// Mails a second that ingestd takes by SMTP, each a distinct signed report, with 250 said after the
// synced commit, beside a Postfix of its own: same disk, same run, round by round in turn. Every
// 250 is looked for in the store afterwards.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"

#include "CLI/CLI.hpp"
#include "bench/mail_load.h"
#include "bench/mail_servers.h"
#include "bench/process.h"
#include "bench/report_mail.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "tests/testing/process.h"
#include "tests/testing/servers.h"

namespace dmarcate::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using testing_support::MakeZone;
using testing_support::RealBind;

constexpr std::chrono::minutes kArrivalLimit{2};
constexpr std::chrono::seconds kQuietLimit{20};  // a server works on after the last answer
constexpr int kSmtpSourceBytes = 4400;

struct Shape {
  int sessions;
  Reuse reuse;
};
constexpr Shape kShapes[] = {{1, Reuse::kConnectionAMail},  {16, Reuse::kConnectionAMail},
                             {64, Reuse::kConnectionAMail}, {1, Reuse::kConnectionKept},
                             {16, Reuse::kConnectionKept},  {64, Reuse::kConnectionKept}};

// Times what Postfix does.
double GoalOf(int sessions) { return sessions == 1 ? 2 : sessions == 16 ? 4 : 8; }

struct Outcome {
  double per_second = 0, p50_ms = 0, p99_ms = 0;
  double arrived_ms = 0;  // after the last 250
};

struct Options {
  size_t mails = 3000;
  int runs = 3;
  std::string work = "build/bench/smtp";
  bool check = false;
};

class Benchmark {
 public:
  explicit Benchmark(const Options& options) : options_(options) {}

  // False if a goal was missed.
  absl::StatusOr<bool> Run() {
    DMARCATE_RETURN_IF_ERROR(StartServers());
    bool met = true;
    PrintHead();
    for (const Shape& shape : kShapes) {
      std::map<MailServer*, std::vector<Outcome>> outcomes;
      for (int run = 0; run < options_.runs; ++run) {
        for (MailServer* server : servers_) {
          DMARCATE_ASSIGN_OR_RETURN(const Outcome outcome, Round(*server, shape, options_.mails));
          outcomes[server].push_back(outcome);
        }
      }
      met &= PrintShape(shape, outcomes);
    }
    for (const MailServer* server : servers_) {
      fmt::print("{}: {} mails answered 250, as many arrived\n", server->name(),
                 accepted_.at(server));
    }
    DMARCATE_RETURN_IF_ERROR(CrossCheck());
    if (disturbed_ > 0) {
      fmt::print("\n{} rounds began while the machine worked on something else\n", disturbed_);
    }
    return met;
  }

 private:
  absl::Status StartServers() {
    std::filesystem::remove_all(options_.work);
    std::filesystem::create_directories(options_.work);
    DMARCATE_ASSIGN_OR_RETURN(dns_, RealBind::Start({MakeZone("test", ReporterRecords())}));
    if (auto postfix = StartPostfix(options_.work + "/postfix"); postfix.ok()) {
      postfix_ = *std::move(postfix);
      servers_.push_back(postfix_.get());
    } else {
      fmt::print("without Postfix: {}\n", MessageOf(postfix.status()));
    }
    for (const auto& [verify, name] :
         {std::pair{Verify::kYes, "/ingestd"}, std::pair{Verify::kNo, "/unverified"}}) {
      DMARCATE_ASSIGN_OR_RETURN(auto ingestd,
                                StartIngestd(options_.work + name, verify, dns_->server()));
      servers_.push_back(ingestd.get());
      ingestds_.push_back(std::move(ingestd));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Outcome> Round(MailServer& server, const Shape& shape, size_t count) {
    std::vector<std::string> mails;
    for (size_t i = 0; i < count; ++i) mails.push_back(MakeReportMail(next_id_++, start_));
    DMARCATE_ASSIGN_OR_RETURN(const size_t before, server.Arrived());
    if (!AwaitQuietMachine(kQuietLimit)) ++disturbed_;
    auto sent = SendAll(server.port(), shape.sessions, shape.reuse, mails);
    if (!sent.ok()) return Annotate(sent.status(), server.name());
    if (sent->waited.size() != count) {
      return MakeError(absl::StatusCode::kInternal, "not every mail was answered");
    }
    accepted_[&server] += count;
    DMARCATE_RETURN_IF_ERROR(Await(server, before + count));
    const std::chrono::duration<double> after = SteadyClock::now() - sent->last_250;
    Outcome out;
    out.per_second = static_cast<double>(count) / sent->seconds;
    out.p50_ms = 1000 * sent->waited[count / 2];
    out.p99_ms = 1000 * sent->waited[count * 99 / 100];
    out.arrived_ms = 1000 * after.count();
    return out;
  }

  // Until `want` have arrived since the start, and no more.
  static absl::Status Await(MailServer& server, size_t want) {
    const auto end = SteadyClock::now() + kArrivalLimit;
    size_t arrived = 0;
    while (arrived < want && SteadyClock::now() < end) {
      DMARCATE_ASSIGN_OR_RETURN(arrived, server.Arrived());
    }
    if (arrived == want) return absl::OkStatus();
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("{}: {} were taken, {} arrived; its log ends:\n{}", server.name(),
                                 want, arrived, LogEnd(server)));
  }

  static std::string LogEnd(const MailServer& server) {
    constexpr size_t kEndBytes = 2000;
    const std::string log = server.log();
    return log.substr(log.size() - std::min(log.size(), kEndBytes));
  }

  static Outcome Median(std::vector<Outcome> all) {
    Outcome out;
    for (double Outcome::* figure :
         {&Outcome::per_second, &Outcome::p50_ms, &Outcome::p99_ms, &Outcome::arrived_ms}) {
      std::ranges::sort(all, {}, figure);
      out.*figure = all[all.size() / 2].*figure;
    }
    return out;
  }

  void PrintHead() const {
    fmt::print(
        "{} distinct signed reports of {} octets a round; medians of {}\n"
        "ingestd: as shipped, every mail verified; unverified: with [trust] verify = false\n"
        "all there: after the last 250, until all reports are in the store as policyd reads it, or "
        "all mails in Postfix's Maildir\n\n"
        "sessions  connection  server         mails/s   250: p50      p99  all there   ratio  "
        "goal\n",
        options_.mails, MakeReportMail(next_id_, start_).size(), options_.runs);
  }

  // Whether what is shipped meets its goal.
  bool PrintShape(const Shape& shape, const std::map<MailServer*, std::vector<Outcome>>& outcomes) {
    bool met = true;
    double anchor = 0;
    for (MailServer* server : servers_) {
      const Outcome outcome = Median(outcomes.at(server));
      if (server == postfix_.get()) anchor = outcome.per_second;
      fmt::print("{:>8}  {:<10}  {:<12} {:>9.0f} {:>8.2f} ms {:>5.2f} ms {:>7.0f} ms",
                 shape.sessions, shape.reuse == Reuse::kConnectionKept ? "kept" : "one a mail",
                 server->name(), outcome.per_second, outcome.p50_ms, outcome.p99_ms,
                 outcome.arrived_ms);
      if (server != postfix_.get() && anchor > 0) {
        const double ratio = outcome.per_second / anchor, goal = GoalOf(shape.sessions);
        fmt::print("  {:>5.1f}x  {:.0f}x {}", ratio, goal, ratio >= goal ? "met" : "MISSED");
        if (server == ingestds_.front().get()) met = ratio >= goal;
      }
      fmt::print("\n");
      std::fflush(stdout);
    }
    return met;
  }

  // The same by somebody else's client. Its mails are no reports, so nothing is compared but how
  // fast they are taken; ingestd stores them as it does any mail, and then finds nothing in them.
  absl::Status CrossCheck() {
    if (postfix_ == nullptr) return absl::OkStatus();
    fmt::print("\nby smtp-source, one connection a mail\n");
    for (const int sessions : {1, 16, 64}) {
      std::map<MailServer*, double> per_second;
      for (MailServer* server : {postfix_.get(), ingestds_.front().get()}) {
        std::vector<double> all;
        for (int run = 0; run < options_.runs; ++run) {
          DMARCATE_ASSIGN_OR_RETURN(const double one, SmtpSource(*server, sessions));
          all.push_back(one);
        }
        std::ranges::sort(all);
        per_second[server] = all[all.size() / 2];
      }
      const double theirs = per_second[postfix_.get()], ours = per_second[ingestds_.front().get()];
      fmt::print("{:>8} sessions  Postfix {:>6.0f} mails/s  ingestd {:>6.0f} mails/s  {:>5.1f}x\n",
                 sessions, theirs, ours, ours / theirs);
      std::fflush(stdout);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<double> SmtpSource(MailServer& server, int sessions) {
    DMARCATE_ASSIGN_OR_RETURN(const size_t before, server.Arrived());
    if (!AwaitQuietMachine(kQuietLimit)) ++disturbed_;
    const auto begin = SteadyClock::now();
    DMARCATE_ASSIGN_OR_RETURN(
        const testing_support::CommandResult result,
        testing_support::RunCommand(
            {"smtp-source", "-s", std::to_string(sessions), "-m", std::to_string(options_.mails),
             "-l", std::to_string(kSmtpSourceBytes), "-f", kSenderAddress, "-t", kRecipientAddress,
             fmt::format("127.0.0.1:{}", server.port())},
            absl::Minutes(5)));
    const std::chrono::duration<double> took = SteadyClock::now() - begin;
    if (result.exit_code != 0) {
      return MakeError(absl::StatusCode::kUnavailable,
                       fmt::format("smtp-source to {}: {}", server.name(), result.output));
    }
    // Whoever is next has the machine alone.
    if (&server == postfix_.get()) {
      DMARCATE_RETURN_IF_ERROR(Await(server, before + options_.mails));
    } else {
      DMARCATE_RETURN_IF_ERROR(Round(server, kShapes[0], 1).status());  // read in its turn
    }
    return static_cast<double>(options_.mails) / took.count();
  }

  const Options options_;
  const absl::Time start_ = absl::Now();
  uint64_t next_id_ = static_cast<uint64_t>(absl::ToUnixSeconds(start_)) * 1000;
  std::unique_ptr<RealBind> dns_;
  std::unique_ptr<MailServer> postfix_;                // null: it could not be started
  std::vector<std::unique_ptr<MailServer>> ingestds_;  // first as shipped
  std::vector<MailServer*> servers_;
  std::map<const MailServer*, size_t> accepted_;
  size_t disturbed_ = 0;  // rounds
};

int Main(int argc, char** argv) {
  CLI::App app("Measures intake by SMTP beside Postfix.");
  Options options;
  app.add_option("--mails", options.mails, "in each round")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--runs", options.runs, "measure so often, print the medians")
      ->check(CLI::Range(1, 99))
      ->capture_default_str();
  app.add_option("--work", options.work,
                 "a directory on the disk to be measured; removed before and after")
      ->capture_default_str();
  app.add_flag("--check", options.check, "exit 1 if a goal is missed, or there is no Postfix");
  CLI11_PARSE(app, argc, argv);
  ConfigureLog(LogFormat::kLogfmt, LogLevel::kWarn);
  absl::StatusOr<bool> met;
  {
    Benchmark benchmark(options);
    met = benchmark.Run();
  }
  std::filesystem::remove_all(options.work);
  if (!met.ok()) {
    fmt::print(stderr, "smtp_benchmark: {}\n", MessageOf(met.status()));
    return 1;
  }
  return *met || !options.check ? 0 : 1;
}

}  // namespace
}  // namespace dmarcate::bench

int main(int argc, char** argv) { return dmarcate::bench::Main(argc, argv); }
