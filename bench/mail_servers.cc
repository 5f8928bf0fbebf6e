#include "bench/mail_servers.h"

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"

#include "bench/mail_load.h"
#include "bench/report_mail.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/base/time.h"
#include "lib/store/rocks_report_store.h"
#include "tests/testing/postfix.h"
#include "tests/testing/process.h"

namespace dmarcate::bench {
namespace {

using testing_support::FreePort;
using testing_support::Process;
using testing_support::ProcessOptions;
using testing_support::RealPostfix;
using testing_support::WaitUntil;

constexpr size_t kLogLimitBytes = 1 << 30;
constexpr absl::Duration kStartLimit = absl::Minutes(1);

// All that is not its place: many sessions and any number of mails from one address, and whom to
// ask.
constexpr char kConfig[] = R"(
[listen]
socket = "{0}/run/socket"
token_file = "{0}/token"
[store]
directory = "{0}/reports"
[smtp]
listen = ["127.0.0.1:{1}"]
hostname = "mx.reports.test"
recipients = ["{2}"]
connections_per_address = 500
budget_per_address = 0
budget_per_domain = 0
budget_per_recipient = 0
budget_per_anchor = 0
[trust]
verify = {3}
[[dns.stub]]
zone = "test"
servers = ["{4}"]
)";

class Ingestd final : public MailServer {
 public:
  Ingestd(std::string directory, Verify verify)
      : MailServer(verify == Verify::kYes ? "ingestd" : "unverified"),
        directory_(std::move(directory)) {}
  ~Ingestd() override {
    reader_.reset();
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  absl::Status Launch(Verify verify, const std::string& dns) {
    DMARCATE_RETURN_IF_ERROR(MakeDirectories(directory_, 0750));
    const std::string config = directory_ + "/ingestd.toml";
    DMARCATE_RETURN_IF_ERROR(WriteFileAtomically(
        config,
        fmt::format(kConfig, directory_, port_, kRecipientAddress, verify == Verify::kYes, dns),
        0640));
    ProcessOptions options;
    const auto self = std::filesystem::read_symlink("/proc/self/exe");
    options.argv = {self.parent_path() / "ingestd", "--config", config};
    options.output_path = directory_ + "/log";
    DMARCATE_ASSIGN_OR_RETURN(process_, Process::Start(options));
    const auto ready = [this] {
      return !process_->Running() || SendAll(port_, 1, Reuse::kConnectionKept, {}).ok();
    };
    if (!WaitUntil(ready, kStartLimit) || !process_->Running()) {
      return MakeError(absl::StatusCode::kUnavailable, "ingestd is not ready:\n" + log());
    }
    DMARCATE_ASSIGN_OR_RETURN(
        reader_,
        RocksReportReader::Follow(directory_ + "/reports", directory_ + "/follower", kStartLimit));
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }
  absl::StatusOr<size_t> Arrived() override {
    DMARCATE_RETURN_IF_ERROR(reader_->CatchUp());
    int64_t reports = 0;
    const DayNumber today = DayOf(absl::Now());
    for (uint64_t id = 0; id < kReportedDomains; ++id) {
      DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayTotals> days,
                                reader_->ReadTotals(ReportedDomain(id), today - 3, today));
      for (const DayTotals& day : days) reports += day.reports;
    }
    return static_cast<size_t>(reports);
  }
  std::string log() const override {
    return ReadFile(directory_ + "/log", kLogLimitBytes).value_or("");
  }

 private:
  const std::string directory_;
  const uint16_t port_ = FreePort();
  std::optional<Process> process_;
  std::unique_ptr<RocksReportReader> reader_;
};

class Postfix final : public MailServer {
 public:
  explicit Postfix(std::unique_ptr<RealPostfix> postfix)
      : MailServer("Postfix"), postfix_(std::move(postfix)) {}

  uint16_t port() const override { return postfix_->port(); }
  absl::StatusOr<size_t> Arrived() override {
    const size_t now = postfix_->Delivered();
    if (now < kMostKept) return removed_ + now;
    removed_ += postfix_->RemoveDelivered();  // a huge folder is slow, which is no fault of Postfix
    return removed_ + postfix_->Delivered();
  }
  std::string log() const override { return postfix_->log(); }

 private:
  static constexpr size_t kMostKept = 10'000;
  const std::unique_ptr<RealPostfix> postfix_;
  size_t removed_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MailServer>> StartIngestd(const std::string& directory,
                                                         Verify verify, const std::string& dns) {
  auto out = std::make_unique<Ingestd>(std::filesystem::absolute(directory), verify);
  DMARCATE_RETURN_IF_ERROR(out->Launch(verify, dns));
  return out;
}

absl::StatusOr<std::unique_ptr<MailServer>> StartPostfix(const std::string& directory) {
  constexpr std::string_view kAddress = kRecipientAddress;
  DMARCATE_ASSIGN_OR_RETURN(auto postfix,
                            RealPostfix::Start(directory, kAddress.substr(kAddress.find('@') + 1)));
  return std::make_unique<Postfix>(std::move(postfix));
}

}  // namespace dmarcate::bench
