// bench/smtp_benchmark.cc
// Messages a second through ingestd's SMTP listener, each a distinct report, with 250 said after
// the synced commit, at 1, 16 and 64 sessions; and the time to the 250. With --beside the same load
// goes to another server on the same machine, round by round in turn.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"

#include "CLI/CLI.hpp"
#include "ingestd/intake/smtp/server.h"
#include "ingestd/intake/storage_gauge.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/rocks_report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr int64_t kQueueBytes = 16 << 20;
enum class Reuse { kConnectionAMessage, kConnectionKept };

// A report of about 4,400 octets, as the median one is.
std::string MakeMail(uint64_t id) {
  std::string mail = fmt::format(
      "From: reports@reporter.test\r\nTo: dmarc@reports.test\r\nSubject: Report Domain: d{0}.test "
      "Report-ID: {1}\r\nMessage-ID: <{1}@reporter.test>\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/xml\r\n\r\n<?xml "
      "version=\"1.0\"?>\r\n<feedback><report_metadata><org_name>"
      "Reporter</org_name><email>dmarc@reporter.test</email><report_id>{1}</report_id><date_range>"
      "<begin>1767225600</begin><end>1767311999</end></date_range></report_metadata>"
      "<policy_published><domain>d{0}.test</domain><p>none</p></policy_published>\r\n",
      id % 1000, id);
  for (int i = 1; i <= 11; ++i) {
    mail += fmt::format(
        "<record><row><source_ip>192.0.2.{0}</source_ip><count>{0}</count><policy_evaluated>"
        "<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>"
        "<identifiers><header_from>d{1}.test</header_from></identifiers><auth_results><spf><domain>"
        "d{1}.test</domain><result>fail</result></spf></auth_results></record>\r\n",
        i, id % 1000);
  }
  return mail + "</feedback>\r\n.\r\n";
}

// A client that waits for each reply.
class Sender {
 public:
  explicit Sender(uint16_t port) : port_(port) {}
  // The seconds from the end of the message to the 250; nullopt: anything else was said.
  std::optional<double> Send(const std::string& mail, Reuse reuse) {
    if (!fd_.valid() && !(Connect() && Expect("220") && Say("EHLO bench.test\r\n", "250"))) {
      return std::nullopt;
    }
    if (!Say("MAIL FROM:<reports@reporter.test>\r\n", "250") ||
        !Say("RCPT TO:<dmarc@reports.test>\r\n", "250") || !Say("DATA\r\n", "354")) {
      return std::nullopt;
    }
    if (!Write(mail)) return std::nullopt;
    const auto sent = SteadyClock::now();
    if (!Expect("250")) return std::nullopt;
    const std::chrono::duration<double> waited = SteadyClock::now() - sent;
    if (reuse == Reuse::kConnectionAMessage) {
      Say("QUIT\r\n", "221");
      fd_.Reset();
    }
    return waited.count();
  }

 private:
  bool Connect() {
    fd_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    buffer_.clear();
    return connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool Write(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  bool Say(std::string_view command, std::string_view code) {
    return Write(command) && Expect(code);
  }
  bool Expect(std::string_view code) {
    while (true) {
      for (size_t end; (end = buffer_.find("\r\n")) != std::string::npos;) {
        const std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        if (line.size() > 3 && line[3] == '-') continue;
        return line.starts_with(code);
      }
      char chunk[1024];
      const ssize_t got = recv(fd_.get(), chunk, sizeof chunk, 0);
      if (got <= 0) return false;
      buffer_.append(chunk, static_cast<size_t>(got));
    }
  }
  const uint16_t port_;
  UniqueFd fd_;
  std::string buffer_;
};

struct Outcome {
  double per_second = 0, p50_ms = 0, p99_ms = 0;
  size_t failed = 0;
};

Outcome Load(uint16_t port, int sessions, size_t messages, Reuse reuse, uint64_t first_id) {
  std::vector<std::string> mails;
  for (size_t i = 0; i < messages; ++i) mails.push_back(MakeMail(first_id + i));
  std::vector<std::vector<double>> waited(static_cast<size_t>(sessions));
  std::atomic<size_t> next = 0, failed = 0;
  const auto start = SteadyClock::now();
  {
    std::vector<std::jthread> threads;
    for (std::vector<double>& times : waited) {
      threads.emplace_back([&] {
        Sender sender(port);
        for (size_t i = next++; i < messages; i = next++) {
          const auto seconds = sender.Send(mails[i], reuse);
          if (!seconds.has_value()) {
            ++failed;
            return;
          }
          times.push_back(*seconds);
        }
      });
    }
  }
  const std::chrono::duration<double> took = SteadyClock::now() - start;
  std::vector<double> all;
  for (const auto& times : waited) all.insert(all.end(), times.begin(), times.end());
  std::ranges::sort(all);
  Outcome out;
  out.failed = failed;
  out.per_second = static_cast<double>(all.size()) / took.count();
  if (!all.empty()) {
    out.p50_ms = 1000 * all[all.size() / 2];
    out.p99_ms = 1000 * all[all.size() * 99 / 100];
  }
  return out;
}

Outcome Median(std::vector<Outcome> all) {
  std::ranges::sort(all, {}, &Outcome::per_second);
  Outcome out = all[all.size() / 2];
  for (const Outcome& one : all) out.failed = std::max(out.failed, one.failed);
  return out;
}

void PrintRow(std::string_view name, int sessions, Reuse reuse, const Outcome& outcome) {
  fmt::print(
      "{:<8} {:>3} session{} {:<12} {:>7.0f} msg/s  250 after p50 {:>7.2f} ms, p99 {:>7.2f} ms{}\n",
      name, sessions, sessions == 1 ? " " : "s",
      reuse == Reuse::kConnectionKept ? "kept" : "one a message", outcome.per_second,
      outcome.p50_ms, outcome.p99_ms,
      outcome.failed > 0 ? fmt::format("  {} FAILED", outcome.failed) : "");
}

absl::StatusOr<bool> Run(const std::string& directory, uint16_t beside, size_t messages, int runs) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  DMARCATE_ASSIGN_OR_RETURN(const auto store, RocksReportWriter::Open(directory + "/reports"));
  DMARCATE_ASSIGN_OR_RETURN(const auto crashes, CrashJournal::Open(directory + "/crashes"));
  const auto suffixes = BuiltinPublicSuffixList();
  SystemClock clock;
  ByteBudget budget(kQueueBytes);
  StorageGauge gauge(clock, Watermarks{100, 100}, [] { return 0; });
  Pipeline pipeline(
      *store, *suffixes, *crashes,
      [](std::string content, const UnpackHints& hints) {
        return Unpack(std::move(content), hints, UnpackLimits());
      },
      [](const absl::Status&) {}, PipelineOptions());
  DMARCATE_RETURN_IF_ERROR(pipeline.Start());
  SmtpConfig config;
  config.hostname = "mx.reports.test";
  config.smtp.tcp = {{*IpAddress::Parse("127.0.0.1"), 0}};
  config.smtp.connections_per_address = config.smtp.connections;
  DMARCATE_ASSIGN_OR_RETURN(config.smtp.recipients,
                            ConfiguredRecipients::Parse({"dmarc@reports.test"}));
  DMARCATE_ASSIGN_OR_RETURN(const auto server,
                            SmtpServer::Start(config, {pipeline, budget, gauge, clock}));
  uint64_t id = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  bool right = true;
  for (const auto& [sessions, reuse] :
       {std::pair{1, Reuse::kConnectionAMessage}, std::pair{16, Reuse::kConnectionAMessage},
        std::pair{64, Reuse::kConnectionAMessage}, std::pair{16, Reuse::kConnectionKept}}) {
    std::vector<Outcome> ours, theirs;
    for (int run = 0; run < runs; ++run) {
      ours.push_back(Load(server->ports().at(0), sessions, messages, reuse, id += messages));
      if (beside != 0) theirs.push_back(Load(beside, sessions, messages, reuse, id += messages));
    }
    const Outcome our = Median(std::move(ours));
    PrintRow("ingestd", sessions, reuse, our);
    right &= our.failed == 0;
    if (beside == 0) continue;
    const Outcome their = Median(std::move(theirs));
    PrintRow("beside", sessions, reuse, their);
    fmt::print("         {:.1f}x\n", our.per_second / their.per_second);
  }
  server->Drain(absl::Seconds(10));
  budget.Close();
  pipeline.Stop(absl::InfiniteDuration());
  server->Stop(absl::Seconds(1));
  return right;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures intake by SMTP.");
  std::string work = "build/bench/smtp";
  size_t messages = 3000;
  int runs = 3;
  uint16_t beside = 0;
  app.add_option("--messages", messages, "in each round")->capture_default_str();
  app.add_option("--runs", runs, "measure so often, print the median")->check(CLI::Range(1, 99));
  app.add_option("--work", work, "where the store is written; removed before and after");
  app.add_option("--beside", beside,
                 "a loopback port where another server takes mail for dmarc@reports.test");
  CLI11_PARSE(app, argc, argv);
  ConfigureLog(LogFormat::kLogfmt, LogLevel::kWarn);
  fmt::print("{} distinct reports of {} octets a round; median of {}\n\n", messages,
             MakeMail(1'000'000).size(), runs);
  const auto right = Run(work, beside, messages, runs);
  std::filesystem::remove_all(work);
  if (!right.ok()) fmt::print(stderr, "smtp_benchmark: {}\n", MessageOf(right.status()));
  return right.ok() && *right ? 0 : 1;
}

}  // namespace
}  // namespace dmarcate::bench

int main(int argc, char** argv) { return dmarcate::bench::Main(argc, argv); }
