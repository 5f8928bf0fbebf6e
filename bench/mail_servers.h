// bench/mail_servers.h
// The servers that take mail in a comparison: ingestd, as its own process with its configuration as
// shipped, and Postfix. Each keeps everything below one directory, and is gone with its object.

#ifndef DMARCATE_BENCH_MAIL_SERVERS_H_
#define DMARCATE_BENCH_MAIL_SERVERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace dmarcate::bench {

// Not thread-safe. Start them on the main thread.
class MailServer {
 public:
  virtual ~MailServer() = default;
  const std::string& name() const { return name_; }
  virtual uint16_t port() const = 0;  // takes mail for kRecipientAddress
  // So many of the mails that it took are by now where they are read: reports in the store, as
  // policyd sees it, or mails in the Maildir.
  virtual absl::StatusOr<size_t> Arrived() = 0;
  virtual std::string log() const = 0;

 protected:
  explicit MailServer(std::string name) : name_(std::move(name)) {}

 private:
  const std::string name_;
};

enum class Verify { kYes, kNo };
// `dns`: who answers for the zone "test", "127.0.0.1:20053".
absl::StatusOr<std::unique_ptr<MailServer>> StartIngestd(const std::string& directory,
                                                         Verify verify, const std::string& dns);
// Errors as of RealPostfix::Start().
absl::StatusOr<std::unique_ptr<MailServer>> StartPostfix(const std::string& directory);

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_MAIL_SERVERS_H_
