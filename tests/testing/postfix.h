// tests/testing/postfix.h
// A real Postfix on loopback, as Debian ships it, with its settings for the queue untouched: a
// message is synced to disk before its 250, and delivered into a Maildir after it. It ends with the
// program that started it, however that ends.

#ifndef DMARCATE_TESTS_TESTING_POSTFIX_H_
#define DMARCATE_TESTS_TESTING_POSTFIX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tests/testing/ends_with_us.h"
#include "tests/testing/process.h"

namespace dmarcate::testing_support {

// Start it from the main thread of the program (see Process). Only root can.
class RealPostfix {
 public:
  // Configuration, queue, log and mail lie below `directory`, which must not exist yet and is
  // removed at the end; others have to reach it, since Postfix works as several users. All mail for
  // `domain` is taken and delivered into one Maildir. Returns once it greets.
  //   kNotFound  not installed     kPermissionDenied  not root
  static absl::StatusOr<std::unique_ptr<RealPostfix>> Start(const std::string& directory,
                                                            std::string_view domain);
  ~RealPostfix();

  uint16_t port() const { return port_; }
  // Mails in the Maildir.
  size_t Delivered() const;
  // Empties it, and says how many there were.
  size_t RemoveDelivered();
  std::string log() const;

 private:
  explicit RealPostfix(std::string directory) : directory_(std::move(directory)) {}
  absl::Status Launch(std::string_view domain);

  const std::string directory_;
  const uint16_t port_ = FreePort();
  std::optional<Process> master_;
  std::optional<EndsWithUs> ends_with_us_;  // the master changes its effective user
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_POSTFIX_H_
