// tests/ingestd/daemon.h
// The real ingestd in a temporary directory, and a client for it.

#ifndef DMARCATE_TESTS_INGESTD_DAEMON_H_
#define DMARCATE_TESTS_INGESTD_DAEMON_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/status.h"

#include "dmarcate/v1/intake.pb.h"
#include "lib/store/rocks_report_store.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate::ingest_testing {

// One process at a time over the same files. Not thread-safe. Start it on the test's main thread.
class Daemon {
 public:
  enum class Carriers { kBelieved, kVerified };  // the mail that brings a report: trust.verify
  explicit Daemon(Carriers carriers = Carriers::kBelieved);
  // Returns once it answers. `maildirs`: names of Maildirs below directory(), made if missing.
  // `more`: further keys of [trust], then further tables of the configuration.
  absl::Status Start(const std::vector<std::string>& maildirs = {}, const std::string& more = "");
  // The same without waiting.
  absl::Status Launch(const std::vector<std::string>& maildirs, const std::string& more);
  void Kill() { process_->Kill(); }
  // SIGTERM; the exit code.
  int Stop() { return process_->Stop(absl::Seconds(60)); }
  bool Running() { return process_->Running(); }
  absl::StatusOr<int> Wait() { return process_->Wait(absl::Seconds(60)); }
  pid_t pid() const { return process_->pid(); }

  const testing_support::TempDir& directory() const { return directory_; }
  std::shared_ptr<grpc::Channel> channel() const { return channel_; }  // Unix socket, no token
  std::shared_ptr<grpc::Channel> tcp_channel() const;
  std::string token() const;  // "Bearer dmarcate_..."
  std::string log() const;
  // Peak of resident memory since the last ForgetPeak(), in KiB.
  int64_t PeakKib() const;
  void ForgetPeak() const;
  // `dmarcate` against it, run to its end.
  absl::StatusOr<testing_support::CommandResult> Cli(
      const std::vector<std::string>& arguments) const;
  // A reader of what the daemon has stored so far.
  absl::StatusOr<std::unique_ptr<RocksReportReader>> Reader() const;

 private:
  testing_support::TempDir directory_;
  const Carriers carriers_;
  uint16_t port_;
  std::shared_ptr<grpc::Channel> channel_;
  std::optional<testing_support::Process> process_;
};

grpc::Status Submit(const std::shared_ptr<grpc::Channel>& channel, const std::string& content,
                    v1::SubmitReportResponse* response);

struct ImportItem {
  std::string name, content;
};
// One ImportReports stream with all items; item_id is the index. `on_result` is called on another
// thread. Returns how the stream ended.
grpc::Status Import(const std::shared_ptr<grpc::Channel>& channel,
                    const std::vector<ImportItem>& items,
                    const std::function<void(const v1::ItemResult&)>& on_result);

// An aggregate report of one day with one row for each of `counts`.
std::string MakeReportXml(std::string_view domain, std::string_view report_id,
                          const std::vector<int>& counts);

}  // namespace dmarcate::ingest_testing

#endif  // DMARCATE_TESTS_INGESTD_DAEMON_H_
